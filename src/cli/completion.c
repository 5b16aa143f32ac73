/* completion: the function that a shell calls on TAB. It only asks `slipway complete`, see there. */
#include "cli/cli-internal.h"

static const char bash[] = "# Completion of slipway for bash: source <(slipway completion bash)\n"
			   "_slipway() {\n"
			   "\tlocal line=${COMP_LINE:0:COMP_POINT} words=() cur candidate\n"
			   "\tread -ra words <<<\"$line\"\n" /* COMP_WORDS are split at ':' and '=' too */
			   "\t[[ $line != *[[:space:]] ]] || words+=('')\n"
			   "\tcur=${words[${#words[@]} - 1]}\n"
			   "\tCOMPREPLY=()\n"
			   "\twhile IFS= read -r candidate; do\n"
			   "\t\tcase $candidate in\n"
			   "\t\t:files) compopt -o filenames; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < "
			   "<(compgen -f -- \"$cur\") ;;\n"
			   "\t\t:dirs) compopt -o filenames; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < "
			   "<(compgen -d -- \"$cur\") ;;\n"
			   "\t\t*) COMPREPLY+=(\"${candidate%%$'\\t'*}\") ;;\n"
			   "\t\tesac\n"
			   "\tdone < <(\"${1/#\\~/$HOME}\" complete bash -- \"${words[@]:1}\" 2>/dev/null)\n"
			   "\t[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace\n"
			   /* bash replaces only what is behind the last of its own separators */
			   "\tlocal done_=${cur%\"${cur##*[:=]}\"}\n"
			   "\tCOMPREPLY=(\"${COMPREPLY[@]#\"$done_\"}\")\n"
			   "}\n"
			   "complete -F _slipway slipway\n";

static const char zsh[] =
	"#compdef slipway\n"
	"# Completion of slipway for zsh: source <(slipway completion zsh), behind compinit; or as _slipway "
	"in fpath\n"
	"_slipway() {\n"
	"\tlocal candidate name\n"
	"\tlocal -a all open\n"
	"\tfor candidate in \"${(@f)$(\"${words[1]/#\\~/$HOME}\" complete zsh -- "
	"\"${(@)words[2,CURRENT-1]}\" "
	"\"$PREFIX\" 2>/dev/null)}\"; do\n"
	"\t\tname=${${candidate%%$'\\t'*}//:/\\\\:}\n"
	"\t\tcase $candidate in\n"
	"\t\t'') ;;\n"
	"\t\t:files) _files ;;\n"
	"\t\t:dirs) _files -/ ;;\n"
	"\t\t*=) open+=(\"$name\") ;;\n"
	"\t\t*$'\\t'*) all+=(\"$name:${candidate#*$'\\t'}\") ;;\n"
	"\t\t*) all+=(\"$name\") ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\t(( ! $#all )) || _describe slipway all\n"
	"\t(( ! $#open )) || _describe slipway open -S ''\n"
	"}\n"
	"if [[ ${funcstack[1]} = _slipway ]]; then _slipway \"$@\"; else compdef _slipway slipway; fi\n";

static const char fish[] =
	"# Completion of slipway for fish: slipway completion fish | source\n"
	"function __slipway_complete\n"
	"\tset -l words (commandline -opc)\n"
	"\tset -l cur (commandline -ct)\n"
	"\tfor candidate in ($words[1] complete fish -- $words[2..-1] \"$cur\" 2>/dev/null)\n"
	"\t\tswitch $candidate\n"
	"\t\t\tcase ':files'\n"
	"\t\t\t\t__fish_complete_path \"$cur\"\n"
	"\t\t\tcase ':dirs'\n"
	"\t\t\t\t__fish_complete_directories \"$cur\"\n"
	"\t\t\tcase '*'\n"
	"\t\t\t\techo $candidate\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"complete -c slipway -f -a '(__slipway_complete)'\n";

static const struct {
	const char *shell, *text;
} scripts[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

static int run_completion(struct cli *cli UNUSED, char **argv, struct err **e)
{
	for (size_t i = 0; i < COUNT(scripts); i++)
		if (str_eq(argv[0], scripts[i].shell)) {
			(void) fputs(scripts[i].text, stdout);
			return 0;
		}
	return err_set(e, ERR_USAGE, "there is completion for bash, zsh and fish, not for '%s'", argv[0]);
}

const struct command cmd_completion = {
	.words = "completion",
	.args = "bash|zsh|fish",
	.summary = "print what makes a shell complete slipway's command lines",
	.details = "bash:  slipway completion bash >/etc/bash_completion.d/slipway\n"
		   "zsh:   slipway completion zsh >/usr/share/zsh/vendor-completions/_slipway\n"
		   "fish:  slipway completion fish >/etc/fish/completions/slipway.fish\n"
		   "or for one session: source <(slipway completion bash)",
	.role = ROLE_NONE,
	.group = "Host",
	.min_args = 1,
	.max_args = 1,
	.run = run_completion,
};
