/* Fingerprints of inputs: see hash.h. */
#include "base/hash.h"

#include <sodium.h>
#include <stdint.h>

#include "base/file.h"
#include "base/str.h"

struct hash {
	crypto_generichash_state state;
};

struct hash *hash_new(void)
{
	struct hash *h = aligned_alloc(64, (sizeof *h + 63) / 64 * 64); /* the state wants 64 bytes */

	if (!h)
		abort();
	crypto_generichash_init(&h->state, NULL, 0, 16);
	return h;
}

void hash_add(struct hash *h, const void *data, size_t n)
{
	crypto_generichash_update(&h->state, data, n);
}

void hash_text(struct hash *h, const char *s)
{
	uint64_t n = s ? strlen(s) : UINT64_MAX;

	hash_add(h, &n, sizeof n);
	if (s)
		hash_add(h, s, (size_t) n);
}

int hash_file(struct hash *h, const char *path, const char *name, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	uint64_t n = UINT64_MAX;
	size_t size = 0;

	hash_text(h, name);
	if (!file_exists(path)) {
		hash_add(h, &n, sizeof n);
		return 0;
	}
	int r = file_read(path, 64 << 20, &text, &size, e);
	if (r < 0)
		return r;
	n = size;
	hash_add(h, &n, sizeof n);
	hash_add(h, text, size);
	return 0;
}

char *hash_end(struct hash *h)
{
	unsigned char out[16];
	char hex[33];

	crypto_generichash_final(&h->state, out, sizeof out);
	free(h);
	return xstrdup(sodium_bin2hex(hex, sizeof hex, out, sizeof out));
}
