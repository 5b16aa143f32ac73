/* Aligned columns for people: widths by what is seen, without escape sequences and by characters, not bytes.
 */
#include "cli/cli.h"

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
	strv_add(&c->cells, cells);
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

	for (size_t column = 0; column < c->n_columns; column++)
		widths[column] = width_of_column(c, column);
	for (size_t i = 0; i < c->cells.n; i++) {
		size_t column = i % c->n_columns;
		bool is_heading = i < c->n_columns, is_last = column + 1 == c->n_columns;
		int pad = is_last ? 0 : (int) (widths[column] - width_of(c->cells.v[i]) + 2);

		(void) printf("%s%s%s%*s%s", is_heading ? cli_dim() : "", c->cells.v[i],
			      is_heading ? cli_reset() : "", pad, "", is_last ? "\n" : "");
	}
}

void columns_done(struct columns *c)
{
	strv_done(&c->cells);
	c->n_columns = 0;
}
