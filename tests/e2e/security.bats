# What a hostile repository, app or key holder tries, and does not get.
load helpers

setup_file() {
	server_start
	app_create victim
	push victim
	slipway config:set victim --no-deploy SECRET=of-the-victim
}
teardown_file() { server_stop; }

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
