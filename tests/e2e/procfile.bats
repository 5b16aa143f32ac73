# The Procfile: group B of the Piku contract's acceptance cases.
load helpers

setup_file() { server_start; }
teardown_file() { server_stop; }

@test "piku-B01 without a Procfile, or with comments only, nothing is deployed and the push fails" {
	app_empty b01
	cp "$FIXTURES/server.py" "$WORK/b01/"
	commit b01
	run push b01
	[ "$status" -eq 1 ]
	[[ $output == *Procfile* ]]
	[ "$(running b01)" = 0 ]
	procfile b01 '# web: python3 server.py'
	run push b01
	[ "$status" -eq 1 ]
	[[ $output == *Procfile* ]]
	[ "$(running b01)" = 0 ]
}

@test "piku-B02 of two lines for one service the last counts, with a warning that names both" {
	app_create b02
	procfile b02 'web: exit 9' 'release: true' 'web: python3 server.py'
	run push b02
	[ "$status" -eq 0 ]
	[[ $output == *[Ww]arning* ]]
	[[ $output == *1* && $output == *3* ]]
	answers b02 1
}

@test "piku-B04 bad lines are warned of with their numbers, and the rest runs" {
	app_create b04
	procfile b04 'no colon here' ': nothing before' 'a/b: ./slash' 'web: python3 server.py' 'worker: python3 dump.py'
	run push b04
	[ "$status" -eq 0 ]
	for line in 1 2 3; do
		[[ $output == *"Procfile:$line"* || $output == *"line $line"* ]]
	done
	answers b04 1
	wait_until seen_is b04 worker .version 1
	[ "$(running b04)" = 2 ]
}

@test "piku-B05 a command keeps everything behind the first colon" {
	app_create b05
	procfile b05 'url: python3 dump.py http://h:80/'
	run push b05
	[ "$status" -eq 0 ]
	wait_until seen_is b05 url '.argv[1]' http://h:80/
}

@test "piku-B06 no blank, CRLF and a byte order mark change nothing" {
	app_create b06
	printf '\xef\xbb\xbfweb:python3 server.py\r\nworker: python3 dump.py\r\n' >"$WORK/b06/Procfile"
	commit b06
	run push b06
	[ "$status" -eq 0 ]
	answers b06 1
	wait_until seen_is b06 worker '.argv | length' 1
}

@test "piku-B07 a worker alone is a generic app: no port, no nginx file" {
	app_create b07
	procfile b07 'worker: python3 dump.py'
	run push b07
	[ "$status" -eq 0 ]
	[[ ${output,,} == *generic* ]]
	wait_until seen_is b07 worker .version 1
	[ "$(seen b07 worker .env.PORT)" = null ]
	[ ! -e "$ROOT/nginx/b07.conf" ]
}

@test "piku-B08 web without release or markers is a generic app" {
	app_create b08
	procfile b08 'web: python3 server.py'
	run push b08
	[ "$status" -eq 0 ]
	[[ ${output,,} == *generic* ]]
	answers b08 1
}

@test "piku-B09 a failing preflight stops the deployment before anything changes" {
	app_create b09
	push b09
	wait_until settled b09
	local pid
	pid=$(pid_of b09 web)
	procfile b09 'web: python3 server.py' 'preflight: exit 5' 'release: true'
	run push_version b09 2
	[ "$status" -eq 1 ]
	[[ $output == *5* ]]
	run slipway deploy b09 --force
	[ "$status" -eq 1 ]
	[[ $output == *5* ]]
	answers b09 1
	[ "$(pid_of b09 web)" = "$pid" ]
	[ "$(cat "$ROOT/apps/b09/VERSION")" = 1 ]
}

@test "piku-B10 a failing release command stops the deployment before the new processes start" {
	app_create b10
	push b10
	wait_until settled b10
	local pid
	pid=$(pid_of b10 web)
	procfile b10 'web: touch $DATA_ROOT/started; python3 server.py' 'release: exit 7'
	run push_version b10 2
	[ "$status" -eq 1 ]
	[[ $output == *7* ]]
	answers b10 1
	[ "$(pid_of b10 web)" = "$pid" ]
	[ ! -e "$ROOT/data/b10/started" ]
}

@test "piku-B11 the release command sees PORT, BIND_ADDRESS, APP and DATA_ROOT" {
	app_create b11
	procfile b11 'web: python3 server.py' 'release: echo "$PORT $BIND_ADDRESS $APP $DATA_ROOT" > $DATA_ROOT/released'
	run push b11
	[ "$status" -eq 0 ]
	live() { grep "^$1=" "$ROOT/envs/b11/LIVE_ENV" | cut -d= -f2-; }
	[ "$(cat "$ROOT/data/b11/released")" = "$(live PORT) $(live BIND_ADDRESS) $(live APP) $(live DATA_ROOT)" ]
	[ "$(cat "$ROOT/data/b11/released")" = "$(ask b11 '"\(.env.PORT) \(.env.BIND_ADDRESS) \(.env.APP) \(.env.DATA_ROOT)"')" ]
}

@test "piku-B12 no new process starts before the release command has ended" {
	app_create b12
	procfile b12 'web: test -e $DATA_ROOT/released && exec python3 server.py' 'worker: python3 dump.py' \
		'release: touch $DATA_ROOT/began; until [ -e $DATA_ROOT/go ]; do sleep 0.05; done; touch $DATA_ROOT/released'
	push b12 >"$BATS_TEST_TMPDIR/out" 3>&- &
	local pusher=$!
	wait_until test -e "$ROOT/data/b12/began"
	[ "$(running b12)" = 0 ]
	[ ! -e "$ROOT/data/b12/worker.json" ]
	touch "$ROOT/data/b12/go"
	wait $pusher
	answers b12 1
}

@test "validate names every bad line of a Procfile and exits 4, without a root" {
	mkdir -p "$BATS_TEST_TMPDIR/v"
	printf 'web: ./run\nworker ./w\n: x\n' >"$BATS_TEST_TMPDIR/v/Procfile"
	run env -u SLIPWAY_ROOT HOME="$BATS_TEST_TMPDIR" "$SLIPWAY_BIN/slipway" validate "$BATS_TEST_TMPDIR/v"
	[ "$status" -eq 4 ]
	[[ $output == *"Procfile:2:"* ]]
	[[ $output == *"Procfile:3:"* ]]
	[ ! -e "$BATS_TEST_TMPDIR/.slipway" ]
}

@test "explain shows how a Procfile is understood" {
	printf 'web: ./run\nweb ./w\ncron: 0 9 * * 1 ./report\n' >"$BATS_TEST_TMPDIR/Procfile"
	run env -u SLIPWAY_ROOT "$SLIPWAY_BIN/slipway" explain "$BATS_TEST_TMPDIR/Procfile" --json
	[ "$(jq -r '.services[0] | "\(.name) \(.kind) \(.command) \(.line)"' <<<"$output")" = "web web ./run 1" ]
	[ "$(jq -r '.problems[0].line' <<<"$output")" = 2 ]
	jq -e '.problems[0] | has("column") and has("severity") and has("message")' <<<"$output"
}

@test "plan shows what a directory is, and changes nothing" {
	app_create planned
	run env -u SLIPWAY_ROOT HOME="$BATS_TEST_TMPDIR" "$SLIPWAY_BIN/slipway" plan "$WORK/planned" --json
	[ "$status" -eq 0 ]
	[ "$(jq -r '.services[0].name' <<<"$output")" = web ]
	[ ! -e "$BATS_TEST_TMPDIR/.slipway" ]
}
