/* SSH keys: ~/.ssh/authorized_keys, one forced command a key (Piku spec 16.1). */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct ssh_key {
	char *fingerprint; /* "SHA256:..." */
	char *name;        /* of the entry: the key's comment, made safe, or "default" */
	char *type;        /* "ssh-ed25519" */
	char *grants;      /* of the entry: what it may do (source/grants.h); NULL: everything */
	char *program;     /* what an entry has sshd run; NULL when it is none of an authorized_keys file */
	char *public_key;  /* "TYPE BASE64 COMMENT" */
	int line;          /* in the file it was read from */
};

struct ssh_keys {
	struct ssh_key *v;
	size_t n;
};

/* Reads public keys from a text, validating every one with ssh-keygen; lines with options, private keys and
 * garbage are refused with their line, all of them at once, and nothing is returned then. */
int ssh_keys_parse(struct ssh_keys *ret, const char *text, const char *file, struct err **e);
/* Adds those that are not there yet (by fingerprint) to the authorized_keys file, which is made 0600 in a
 * 0700 directory; other lines stay. program: absolute path of slipway. A key without grants keeps those it
 * had. added: fingerprints. */
int ssh_keys_install(const char *file, const struct ssh_keys *keys, const char *program, const char *root,
		     struct strv *added, struct err **e);
/* Our entries in an authorized_keys file. A missing file has none. */
int ssh_keys_list(const char *file, struct ssh_keys *ret, struct err **e);
/* Says anew what the key of that name or fingerprint may do (NULL: everything). ERR_NOT_FOUND. */
int ssh_keys_allow(const char *file, const char *which, const char *grants, const char *program,
		   const char *root, struct err **e);
/* By name or fingerprint; ERR_NOT_FOUND. */
int ssh_keys_remove(const char *file, const char *which, struct err **e);
/* $SLIPWAY_AUTHORIZED_KEYS, else ~/.ssh/authorized_keys; to be freed. */
char *ssh_keys_file(void);
void ssh_keys_done(struct ssh_keys *k);
