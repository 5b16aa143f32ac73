/* Structs to JSON objects and back, by a table of their members. For the files of this folder only. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

enum member_type {
	MEMBER_TEXT,         /* char *, never NULL */
	MEMBER_TEXT_OR_NULL, /* char *; null in JSON */
	MEMBER_INT,          /* int */
	MEMBER_UNSIGNED,     /* unsigned */
	MEMBER_LONG,         /* long */
	MEMBER_SIZE,         /* size_t */
	MEMBER_FLAG,         /* bool */
	MEMBER_TEXTS,        /* struct strv */
	MEMBER_WORD,         /* an enum, written as one of words[] */
	MEMBER_OTHER,        /* the caller's own; only its presence is looked at */
	/* May be missing, in files from before there was such a member: */
	MEMBER_LATER,          /* the caller's own */
	MEMBER_LIMITS,         /* struct limits */
	MEMBER_ADDED_TEXTS,    /* struct strv */
	MEMBER_ADDED_UNSIGNED, /* unsigned */
};

struct member {
	const char *name;
	enum member_type type;
	size_t at; /* offset in the struct */
	const char *const *words;
	size_t n_words;
};

#define MEMBER(type_, of, field)                                                                             \
	{                                                                                                    \
#field, type_, offsetof(struct of, field), NULL, 0                                           \
	}

/* Sets all members but MEMBER_OTHER and MEMBER_LATER. */
void members_write(json_t *j, const void *from, const struct member *m, size_t n);
/*
 * Reads what members_write() wrote into a zeroed struct. Strict: every member is there, of its type and in
 * its range, and there is no other; else ERR_REFUSED naming it. The struct is the caller's to release also
 * then.
 */
int members_read(void *to, const json_t *j, const char *what, const struct member *m, size_t n,
		 struct err **e);
/* Frees and zeroes the texts. */
void members_done(void *s, const struct member *m, size_t n);
