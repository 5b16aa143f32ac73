/* What a terminal may be told: see printable.h. */
#include "base/printable.h"

#include <stdint.h>

#define RESET "\033[0m"

static void end_colour(struct printable *p, struct strb *out)
{
	if (p->is_coloured)
		(void) strb_adds(out, RESET);
	p->is_coloured = false;
}

/* How long a character is that begins so; 0: none does. */
static size_t utf8_length(unsigned char first)
{
	return first >= 0xc2 && first <= 0xdf   ? 2
	       : first >= 0xe0 && first <= 0xef ? 3
	       : first >= 0xf0 && first <= 0xf4 ? 4
						: 0;
}

/* Neither overlong, nor a surrogate, nor beyond U+10FFFF (RFC 3629). */
static bool utf8_may_follow(unsigned char first, size_t at, unsigned char byte)
{
	unsigned char min = at > 1          ? 0x80
			    : first == 0xe0 ? 0xa0
			    : first == 0xf0 ? 0x90
					    : 0x80,
		      max = at > 1          ? 0xbf
			    : first == 0xed ? 0x9f
			    : first == 0xf4 ? 0x8f
					    : 0xbf;

	return byte >= min && byte <= max;
}

static void add_replacement(struct strb *out)
{
	(void) strb_adds(out, "\xef\xbf\xbd");
}

static void add_plain(struct printable *p, struct strb *out, char c)
{
	unsigned char byte = (unsigned char) c;

	if (byte == 0x1b) {
		p->state = PRINTABLE_ESCAPE;
	} else if (utf8_length(byte)) {
		p->state = PRINTABLE_UTF8;
		p->sequence[0] = c;
		p->n = 1;
	} else if (byte >= 0x80) {
		add_replacement(out);
	} else if (c == '\n') {
		end_colour(p, out);
		(void) strb_add(out, &c, 1);
	} else if (c == '\t' || (byte >= ' ' && byte != 0x7f)) {
		(void) strb_add(out, &c, 1);
	}
}

static void begin_csi(struct printable *p)
{
	p->state = PRINTABLE_CSI;
	p->n = 0;
}

/* Behind ESC, or (with c + 0x40 as ESC would be followed by) one of U+0080 to U+009F. */
static void add_escape(struct printable *p, char c)
{
	if (c == '[')
		begin_csi(p);
	else if (strchr("]PX^_", c) && c)
		p->state = PRINTABLE_STRING;
	else if ((unsigned char) c < ' ' || (unsigned char) c > '/')
		p->state = PRINTABLE_PLAIN; /* a sequence of two */
}

static bool is_reset(const struct printable *p)
{
	return p->n == 0 || (p->n == 1 && p->sequence[0] == '0');
}

/* Of all control sequences only colours (SGR) are handed on. */
static void end_csi(struct printable *p, struct strb *out, char final)
{
	p->state = PRINTABLE_PLAIN;
	if (final != 'm' || p->n >= sizeof p->sequence)
		return;
	(void) strb_addf(out, "\033[%.*sm", (int) p->n, p->sequence);
	p->is_coloured = !is_reset(p);
}

static void add_csi(struct printable *p, struct strb *out, char c)
{
	unsigned char byte = (unsigned char) c;

	if (byte >= 0x40 && byte <= 0x7e) {
		end_csi(p, out, c);
	} else if ((c >= '0' && c <= '9') || c == ';' || c == ':') {
		if (p->n < sizeof p->sequence)
			p->sequence[p->n++] = c;
	} else if (byte >= ' ' && byte <= '?') {
		p->n = sizeof p->sequence; /* a private one */
	} else {
		p->state = PRINTABLE_PLAIN; /* broken off */
		add_plain(p, out, c);
	}
}

/* A title, a link, a clipboard: up to BEL, ESC \ or the end of the line. */
static void add_string(struct printable *p, struct strb *out, char c)
{
	if (c == '\a')
		p->state = PRINTABLE_PLAIN;
	else if (c == '\033')
		p->state = PRINTABLE_ESCAPE; /* and the \ behind it ends that */
	else if (c == '\n') {
		p->state = PRINTABLE_PLAIN;
		add_plain(p, out, c);
	}
}

/* U+0080 to U+009F are controls as well. */
static void end_character(struct printable *p, struct strb *out)
{
	unsigned char last = (unsigned char) p->sequence[1];

	p->state = PRINTABLE_PLAIN;
	if (p->n == 2 && (unsigned char) p->sequence[0] == 0xc2 && last <= 0x9f)
		add_escape(p, (char) (last - 0x40));
	else
		(void) strb_add(out, p->sequence, p->n);
}

static void add_utf8(struct printable *p, struct strb *out, char c)
{
	unsigned char first = (unsigned char) p->sequence[0];

	if (!utf8_may_follow(first, p->n, (unsigned char) c)) {
		p->state = PRINTABLE_PLAIN;
		add_replacement(out);
		add_plain(p, out, c);
		return;
	}
	p->sequence[p->n++] = c;
	if (p->n == utf8_length(first))
		end_character(p, out);
}

void printable_add(struct printable *p, struct strb *out, const char *data, size_t n)
{
	for (const char *end = data + n; data < end; data++) {
		switch (p->state) {
		case PRINTABLE_PLAIN:
			add_plain(p, out, *data);
			break;
		case PRINTABLE_ESCAPE:
			if (*data == '\n' || *data == '\033') {
				p->state = PRINTABLE_PLAIN;
				add_plain(p, out, *data);
			} else {
				add_escape(p, *data);
			}
			break;
		case PRINTABLE_CSI:
			add_csi(p, out, *data);
			break;
		case PRINTABLE_STRING:
			add_string(p, out, *data);
			break;
		case PRINTABLE_UTF8:
			add_utf8(p, out, *data);
			break;
		}
	}
}

void printable_end(struct printable *p, struct strb *out)
{
	if (p->state == PRINTABLE_UTF8)
		add_replacement(out);
	end_colour(p, out);
	p->state = PRINTABLE_PLAIN;
}

char *printable_text(const char *text)
{
	struct strb out = STRB(SIZE_MAX / 2);
	struct printable p = { 0 };

	printable_add(&p, &out, text, strlen(text));
	printable_end(&p, &out);
	return strb_take(&out);
}

char *printable_line(const char *text)
{
	_cleanup_(freep) char *line = xstrdup(text);

	for (char *c = line; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	return printable_text(line);
}
