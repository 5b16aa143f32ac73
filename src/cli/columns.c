/* Aligned columns for people: widths by what is seen, without escape sequences and by characters, not bytes.
 */
#include "base/printable.h"
#include "cli/cli.h"

#include <assert.h>

static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++) {
		if (*s == '\033') {
			s += strcspn(s, "m");
			if (!*s)
				break;
		} else if (((unsigned char) *s & 0xc0) != 0x80) {
			n++;
		}
	}
	return n;
}

void columns_row(struct columns *c, const char *const *cells)
{
	size_t n = 0;

	while (cells[n])
		n++;
	if (!c->n_columns)
		c->n_columns = n;
	for (; *cells; cells++)
		strv_push(&c->cells, printable_line(*cells));
}

static size_t width_of_column(const struct columns *c, size_t column)
{
	size_t widest = 0;

	for (size_t i = column; i < c->cells.n; i += c->n_columns) {
		size_t n = width_of(c->cells.v[i]);

		widest = n > widest ? n : widest;
	}
	return widest;
}

void columns_print(struct columns *c)
{
	_cleanup_(freep) size_t *widths = xcalloc(c->n_columns + 1, sizeof *widths);

	assert(c->n_columns > 0);
	for (size_t column = 0; column < c->n_columns; column++)
		widths[column] = width_of_column(c, column);
	for (size_t i = 0, pad = 0; i < c->cells.n; i++) {
		size_t column = i % c->n_columns;
		const char *cell = c->cells.v[i];
		bool is_heading = i < c->n_columns;

		/* The blanks in front of a cell, so that none end a line. */
		if (*cell)
			(void) printf("%*s%s%s%s", (int) pad, "", is_heading ? cli_dim() : "", cell,
				      is_heading ? cli_reset() : "");
		pad = (*cell ? 0 : pad) + widths[column] - width_of(cell) + 2;
		if (column + 1 == c->n_columns) {
			(void) putchar('\n');
			pad = 0;
		}
	}
}

void columns_done(struct columns *c)
{
	strv_done(&c->cells);
	c->n_columns = 0;
}
