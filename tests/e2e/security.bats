# What a hostile repository, app or key holder tries, and does not get.
load helpers

setup_file() {
	umask 000 # what is made must not depend on it
	server_start
	app_create victim
	push victim
	slipway config:set victim --no-deploy SECRET=of-the-victim
}
teardown_file() { server_stop; }

@test "whatever the umask, nobody else can change anything, and secrets are for nobody else to read" {
	app_create modes
	echo 'REPO_SECRET=of-the-repository' >"$WORK/modes/ENV"
	procfile modes 'web: python3 server.py' 'release: touch made; mkdir -p dir'
	push modes
	slipway config:set modes SECRET=of-the-operator
	slipway restart modes
	run find "$ROOT" ! -type l ! -path "$ROOT/run/*" -perm /022
	[ -z "$output" ]
	grep -rlsE 'of-the-(operator|repository)' "$ROOT" >"$BATS_TEST_TMPDIR/secret"
	[ -s "$BATS_TEST_TMPDIR/secret" ]
	run xargs -a "$BATS_TEST_TMPDIR/secret" stat -c '%a %n'
	run grep -v '^600 ' <<<"$output"
	[ -z "$output" ]
	for dir in config envs run certs repos backups; do
		[ "$(stat -c %a "$ROOT/$dir")" = 700 ]
	done
	[ "$(stat -c %a "$ROOT/state.db" "$ROOT/run/token" "$ROOT/run/slipwayd.sock" | sort -u)" = 600 ]
}

# hostile NAME: the generic app, whose web service writes what `sh probe` prints into its data before it serves.
hostile() {
	app_create "$1"
	# shellcheck disable=SC2016
	procfile "$1" 'web: sh ./probe >$DATA_ROOT/seen 2>&1; exec python3 server.py'
	cat >"$WORK/$1/probe"
	commit "$1" "a probe"
}

@test "LD_PRELOAD of a repository takes effect in its sandbox only" {
	hostile preload <<-'END'
	echo "$LD_PRELOAD"
	END
	gcc -shared -fPIC -x c -o "$WORK/preload/evil.so" - <<-END
	#include <fcntl.h>
	#include <stdlib.h>
	__attribute__((constructor)) static void load(void)
	{
		open("$SERVER_DIR/escaped", O_WRONLY | O_CREAT, 0600);
	}
	END
	# shellcheck disable=SC2016
	echo 'LD_PRELOAD=$PWD/evil.so' >"$WORK/preload/ENV"
	commit preload
	run push preload
	[ "$status" -eq 0 ]
	[[ $(cat "$ROOT/data/preload/seen") == */src/evil.so ]]
	[ ! -e "$SERVER_DIR/escaped" ]
}

@test "a command that begins with a directory does not get to see it" {
	app_create look
	procfile look "web: $ROOT || find $ROOT -name token -o -name ENV -o -name '*.sock'; ls -A $ROOT; exec python3 server.py"
	run push look
	[ "$status" -eq 0 ]
	wait_until settled look
	run slipway logs look -n 100
	[[ $output != *token* && $output != *ENV* && $output != *.sock* && $output != *state.db* ]]
}

# What an app put in the place of data/APP/shared, or a repository in a path's, leads nothing out of their directories.
@test "links in an app's data or code lead no shared path out of them" {
	mkdir "$SERVER_DIR/outside"
	app_create links
	push links
	rm -rf "$ROOT/data/links/shared"
	ln -s "$SERVER_DIR/outside" "$ROOT/data/links/shared"
	echo secret-key >"$WORK/links/authorized_keys"
	echo SHARED_PATHS=authorized_keys >"$WORK/links/ENV"
	commit links
	run push links
	[ "$status" -ne 0 ]
	[[ $output == *"sharing 'authorized_keys' between releases: 'shared' leads out of the app's directory"* ]]
	[ -z "$(ls -A "$SERVER_DIR/outside")" ]
	answers links 1

	rm "$ROOT/data/links/shared"
	ln -s "$SERVER_DIR/outside" "$WORK/links/etc"
	echo SHARED_PATHS=etc/authorized_keys >"$WORK/links/ENV"
	commit links
	run push links
	[ "$status" -ne 0 ]
	[[ $output == *"leads out of the app's directory"* ]]
	[ -z "$(ls -A "$SERVER_DIR/outside")" ]
	answers links 1
}

@test "no link that an app makes in a directory that is served leads out of it" {
	app_create served
	mkdir -p "$WORK/served/public/deep" "$WORK/served/elsewhere"
	echo page >"$WORK/served/public/page.txt"
	echo also-mine >"$WORK/served/elsewhere/file.txt"
	ln -s ../elsewhere "$WORK/served/public/inside"
	ln -s ../../elsewhere/file.txt "$WORK/served/public/deep/file.txt"
	ln -s "$ROOT/config/victim" "$WORK/served/public/victim"
	cat >"$WORK/served/ENV" <<-'END'
	NGINX_STATIC_PATHS=/s:public
	SHARED_PATHS=public/uploads
	END
	commit served
	run push served
	[ "$status" -eq 0 ]
	[[ $output == *"public/victim is not served: it is a link to $ROOT/config/victim"* ]]
	local host=served.localhost
	[ "$(http $host /s/page.txt)" = page ]
	[ "$(http $host /s/inside/file.txt)" = also-mine ]
	[ "$(http $host /s/deep/file.txt)" = also-mine ]
	[ "$(http_status $host /s/victim/ENV)" != 200 ]
	# While it runs: links of its own, to a file, in a shared directory, and in the place of the directory itself.
	chmod a+rx "$SERVER_DIR" "$WORK"
	echo outside >"$SERVER_DIR/outside.txt"
	echo upload >"$ROOT/data/served/shared/public/uploads/up.txt"
	slipway run served "ln -s $SERVER_DIR/outside.txt public/x.txt; ln -s $SERVER_DIR public/x
		ln -s $SERVER_DIR/outside.txt public/uploads/x.txt"
	[ "$(http $host /s/uploads/up.txt)" = upload ]
	for path in x.txt x/outside.txt uploads/x.txt; do
		[ "$(http_status $host /s/$path)" != 200 ]
	done
	slipway run served "mv public was; ln -s $SERVER_DIR public"
	[ "$(http_status $host /s/outside.txt)" != 200 ]
}

@test "an app that rewrites its include file changes nothing" {
	app_create include
	cat >"$WORK/include/site.conf" <<-'END'
	location /said { return 200 "by the repository\n"; }
	END
	echo NGINX_INCLUDE_FILE=site.conf >"$WORK/include/ENV"
	commit include
	run push include
	[ "$status" -eq 0 ]
	[ "$(http include.localhost /said)" = 'by the repository' ]
	slipway run include 'echo "location /said { alias /etc/passwd; }" >site.conf'
	slipway restart include
	[ "$(http include.localhost /said)" = 'by the repository' ]
	slipway stop include
	slipway start include
	[ "$(http include.localhost /said)" = 'by the repository' ]
}

@test "no escape sequence of a repository or an app reaches a terminal" {
	local clear=$'\e[2J' title=$'\e]0;evil\a'
	app_create escapes
	printf 'import subprocess\nprint("\\033[2Jworker \\033]0;evil\\007says\\rhi", flush=True)\nimport time\ntime.sleep(1000)\n' \
		>"$WORK/escapes/say.py"
	printf 'web: python3 server.py\nworker: python3 say.py\nrelease: printf "\\033[2J\\033[31mred\\n=====> forged\\rover\\n"\n' \
		>"$WORK/escapes/Procfile"
	printf '#\n%sbad%s\n' "$clear" "$title" >"$WORK/escapes/ENV"
	commit escapes "a ${clear}subject$title"
	run push escapes
	[ "$status" -eq 0 ]
	[[ $output == *'a subject'* && $output == *'       =====> forged'* && $output == *red* ]]
	[[ $output != *"$clear"* && $output != *$'\e]'* ]]
	grep -q $'\e\\[31mred' "$ROOT/logs/escapes/"deploy-*.log
	wait_until grep -q says "$ROOT/logs/escapes/worker.1.log"
	run slipway logs escapes worker
	[ "$output" = 'worker.1 | worker says hi' ]
	procfile escapes 'web: python3 server.py' $'release: printf "\e[2J"; exit 3'
	run push escapes
	[ "$status" -ne 0 ]
	for words in 'deployments escapes' 'events escapes' 'status escapes' 'releases escapes' 'logs escapes deploy'; do
		# shellcheck disable=SC2086 # words
		run slipway $words
		[[ $output != *"$clear"* && $output != *$'\e]'* ]]
	done
	printf 'web: python3 server.py%s\n%s: x y\n' "$clear" "$title" >"$WORK/escapes/Procfile"
	for words in validate plan 'explain --as procfile'; do
		# shellcheck disable=SC2086 # words
		run slipway ${words} "$WORK/escapes/$([[ $words != explain* ]] || echo Procfile)"
		[[ $output != *"$clear"* && $output != *$'\e]'* ]]
	done
}

@test "600 clients that say nothing keep nobody out" {
	python3 - "$ROOT/run/slipwayd.sock" "$BATS_TEST_TMPDIR" <<-'END' 3>&- &
	import resource, socket, sys, time
	resource.setrlimit(resource.RLIMIT_NOFILE, (1024, max(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
	silent = []
	for _ in range(600):
	    s = socket.socket(socket.AF_UNIX)
	    s.connect(sys.argv[1])
	    silent.append(s)
	open(sys.argv[2] + "/there", "w").close()
	while True:
	    time.sleep(60)
	END
	local flood=$! status=0
	wait_until test -e "$BATS_TEST_TMPDIR/there"
	run timeout 60 "$SLIPWAY_BIN/slipway" --root "$ROOT" status
	kill "$flood"
	[ "$status" -eq 0 ]
	[[ $output == *running* ]]
}
