/*
 * Has the write-ahead log lost what was committed? SQLite takes the first frame with a wrong checksum for the
 * end of the log, as it has to after a power failure, and so goes on without a word from an older state when
 * the log was damaged later. But then the header is none, or the index that the last user left beside it
 * (state.db-shm, of this boot) counts more frames than are left. Formats: https://sqlite.org/walformat.html
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "store/inspect.h"
#include "store/store-internal.h"

enum { HEADER = 32, FRAME_HEADER = 24, INDEX_HEADER = 48, MAX_PAGE = 65536, TRIES = 20 };

/* The beginning of state.db-shm, in this machine's byte order; there are two copies of it. */
struct wal_index {
	uint32_t version, unused, change;
	uint8_t is_set, has_big_end_checksum;
	uint16_t page;
	uint32_t frames, pages;
	uint32_t frame_checksum[2], salt[2], checksum[2];
};
_Static_assert(sizeof(struct wal_index) == INDEX_HEADER, "as in SQLite's walIndexHdr");

static uint32_t big_end(const unsigned char *at)
{
	return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

static uint32_t little_end(const unsigned char *at)
{
	return (uint32_t) at[3] << 24 | (uint32_t) at[2] << 16 | (uint32_t) at[1] << 8 | at[0];
}

/* Goes on from sum; n is a multiple of 8. */
static void add_checksum(uint32_t sum[2], const unsigned char *at, size_t n, bool is_big)
{
	for (size_t i = 0; i + 8 <= n; i += 8) {
		sum[0] += (is_big ? big_end(at + i) : little_end(at + i)) + sum[1];
		sum[1] += (is_big ? big_end(at + i + 4) : little_end(at + i + 4)) + sum[0];
	}
}

bool wal_header_is_legal(const unsigned char *h, size_t n)
{
	uint32_t sum[2] = { 0 }, magic = n == HEADER ? big_end(h) : 0;

	if ((magic & ~1U) != 0x377f0682)
		return false;
	add_checksum(sum, h, HEADER - 8, magic & 1);
	return sum[0] == big_end(h + 24) && sum[1] == big_end(h + 28);
}

/* How many frames from the first on are in order; *sum: the last one's checksum. */
static uint32_t count_frames(int fd, const unsigned char *header, uint32_t wanted, uint32_t sum[2])
{
	bool is_big = big_end(header) & 1;
	uint32_t page = big_end(header + 8), n = 0;
	_cleanup_(freep) unsigned char *frame = xcalloc(1, FRAME_HEADER + MAX_PAGE);

	if (page < 512 || page > MAX_PAGE || (page & (page - 1)))
		return 0;
	sum[0] = big_end(header + 24);
	sum[1] = big_end(header + 28);
	for (; n < wanted; n++) {
		off_t at = HEADER + (off_t) n * (FRAME_HEADER + (off_t) page);

		if (pread(fd, frame, FRAME_HEADER + page, at) != (ssize_t) FRAME_HEADER + (ssize_t) page ||
		    memcmp(frame + 8, header + 16, 8) != 0)
			break;
		add_checksum(sum, frame, 8, is_big);
		add_checksum(sum, frame + FRAME_HEADER, page, is_big);
		if (sum[0] != big_end(frame + 16) || sum[1] != big_end(frame + 20))
			break;
	}
	return n;
}

static int64_t boot_time_s(void)
{
	struct timespec now, up;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	(void) clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec - up.tv_sec;
}

/* false: there is none that can be relied on. */
static bool read_index(const char *path, const unsigned char *header, struct wal_index *ret)
{
	_cleanup_(freep) char *shm = xasprintf("%s-shm", path);
	_cleanup_(closep) int fd = open(shm, O_RDONLY | O_CLOEXEC);
	struct wal_index both[2];
	struct stat sb;

	if (fd < 0 || fstat(fd, &sb) < 0 ||
	    sb.st_mtime < boot_time_s() || /* a disk may not have kept its word */
	    pread(fd, both, sizeof both, 0) != sizeof both || memcmp(&both[0], &both[1], sizeof both[0]) != 0)
		return false;
	*ret = both[0];
	return ret->is_set == 1 && ret->version == 3007000 && memcmp(ret->salt, header + 16, 8) == 0;
}

/* The header and, when there is an index, the frames. false: not as they should be, or being written right
 * now. */
static bool is_sound(const char *path, int fd, const char **why)
{
	unsigned char header[HEADER];
	ssize_t n = pread(fd, header, sizeof header, 0);
	struct wal_index index;
	uint32_t sum[2];

	*why = "the header of its write-ahead log is none";
	if (n <= 0)
		return n == 0;
	if (!wal_header_is_legal(header, (size_t) n))
		return false;
	*why = "its write-ahead log has lost what was committed";
	if (!read_index(path, header, &index))
		return true;
	return count_frames(fd, header, index.frames, sum) == index.frames;
}

int wal_check(const char *path, struct err **e)
{
	_cleanup_(freep) char *wal = xasprintf("%s-wal", path);
	_cleanup_(closep) int fd = open(wal, O_RDONLY | O_CLOEXEC);
	const char *why = NULL;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "opening %s: %m", wal);
	for (int i = 0; i < TRIES; i++) {
		if (is_sound(path, fd, &why))
			return 0;
		(void) usleep(2000); /* somebody may be at it */
	}
	return store_damaged(path, why, e);
}
