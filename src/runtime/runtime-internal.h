/* What the runtimes of this folder share: looking at the app's files, asking tools, composing steps. */
#pragma once

#include "base/hash.h"
#include "base/toml.h"
#include "runtime/runtime.h"

static inline void hash_dropp(struct hash **h)
{
	if (*h)
		free(hash_end(*h));
}

/* Is there such a file or directory in src, not leading out of it? A name with '*' matches in its top
 * directory. */
bool input_has(const struct runtime_input *in, const char *name);
/* Adds a file of src by name and content, of any size; a missing one counts as such. */
int input_hash_file(struct hash *h, const struct runtime_input *in, const char *name, struct err **e);
/* Adds the settings with these names ("PIP_*": all that begin so) but for where caches lie. Up to a NULL. */
void input_hash_settings(struct hash *h, const struct runtime_input *in, const char *const *names);
/* The setting, or NULL when it is unset or blank; without the blanks around it; to be freed. */
char *input_setting(const struct runtime_input *in, const char *name);
/* " (set in ORIGIN)" for messages, or ""; to be freed. */
char *input_setting_place(const struct runtime_input *in, const char *name);

/* A hash begun with what every kind of dependencies depends on: how they are made, where they lie (most
 * cannot be moved), and the interpreter; the latter may be NULL. */
struct hash *deps_hash_new(const char *recipe, const char *deps_parent, const char *exe, const char *version);

/* A program that a runtime cannot do without, and what of Debian brings it; package NULL: nothing does. */
struct tool {
	const char *program, *package;
};
/*
 * For detect(), once "found" was found. 1: all these tools (up to one without a name) are there. 0: *missing
 * says which are not and what to install.
 */
int input_has_tools(const struct runtime_input *in, const char *found, const struct tool *tools,
		    char **missing);
/* A TOML file of src; ERR_REFUSED with its line when it is none. *ret is released with toml_free(). */
int input_read_toml(struct toml_node **ret, const struct runtime_input *in, const char *name, struct err **e);

/* Does version ("3.11.7", "v20.1.0") begin with all components of wanted ("3.11", "v20")? */
bool version_fits(const char *version, const char *wanted);
/* Runs a tool that answers at once ("--version"); its output without the blanks around it, to be freed. */
int tool_ask(char **ret, char *const *argv, struct err **e);
/* Is this path part of the system, which every sandbox shows? */
bool path_is_of_system(const char *path);
/*
 * Finds a program for a build step; to be freed, NULL: not there. One outside of the system is given by where
 * its links lead, and what the sandbox must show of it is added to b->read: its virtual environment, else
 * itself.
 */
char *build_tool(struct build *b, const struct runtime_input *in, const char *name);
/* Lets the sandbox show path unless it is of the system. */
void build_read(struct build *b, const char *path);
/* Moves b to *ret, or releases it when r says that filling it failed. Returns r. */
int build_hand_over(struct build *ret, struct build *b, int r);
/* Adds a dependency step; fill in its argv. cwd NULL: the deps directory. title is copied. */
struct build_step *build_deps_step(struct build *b, const char *cwd, const char *title);

/* The same for a step in src that every new release takes. */
struct build_step *build_src_step(struct build *b, const struct runtime_input *in, const char *title);
/* Sets a directory of the app's cache for the steps and for the app, which may run the same tools. */
void build_cache(struct build *b, const struct runtime_input *in, const char *name, const char *dir);
/*
 * Sets an option that its tool reads from the environment (MAVEN_OPTS, GOFLAGS ...): for the app unless it
 * sets the variable itself, for the steps after what the app sets.
 */
void build_add_option(struct build *b, const struct runtime_input *in, const char *name, const char *option);

struct python {
	char *exe, *version, *prefix;
	bool has_ensurepip;
};
/* The interpreter that PYTHON_VERSION asks for, else python3; ERR_MISSING when there is none such. */
int python_find(struct python *ret, const struct runtime_input *in, struct err **e);
void python_done(struct python *p);
/* Steps and environment that every kind of Python app shares: a virtual environment at deps. */
int python_add_venv(struct build *b, const struct runtime_input *in, const struct python *py,
		    const char *deps, bool needs_pip, struct err **e);
void python_set_env(struct build *b, const char *venv);
void python_set_caches(struct build *b, const struct runtime_input *in);

/* What pip would read for a requirements file. */
struct requirements {
	bool is_empty; /* asks for nothing */
	bool is_local; /* installs a directory of the app: "-e .", "./lib" */
};
/* Reads the file with all that it pulls in (-r, -c, --find-links, local archives) and adds it to h. */
int requirements_read(struct requirements *ret, struct hash *h, const struct runtime_input *in,
		      const char *file, struct err **e);
