# The commands about the host: hold, logs --since, completion, doctor, disk, cleanup.
# shellcheck disable=SC2154,SC2030,SC2031 # output and stderr are set by run
load helpers

setup_file() { server_start; }
teardown_file() { server_stop; }

# --- hold ---------------------------------------------------------------------------------------------------------

@test "a held app takes a push without deploying it, and --force deploys it" {
	app_create held
	push held
	wait_until answers held 1
	run slipway hold held
	[ "$status" -eq 0 ]
	set_version held 2
	run push held
	[ "$status" -eq 0 ]
	[[ $output == *"'held' is held"* ]]
	[ "$(git -C "$ROOT/repos/held" rev-parse main)" = "$(git -C "$WORK/held" rev-parse main)" ]
	answers held 1
	[ "$(slipway deployments held --json | jq length)" = 1 ]
	[ "$(slipway apps --json | jq '.[] | select(.name == "held") | .held')" = true ]
	[ "$(slipway status held --json | jq .held)" = true ]
	slipway status held | grep -q '^held '
	run --separate-stderr slipway deploy held
	[ "$status" -eq 4 ]
	[[ $stderr == *unhold* ]]
	run slipway config:set held A=1
	[ "$status" -eq 0 ]
	[[ $output == *"is held"* ]]
	slipway restart held
	wait_until answers held 1
	run slipway deploy held --force
	[ "$status" -eq 0 ]
	wait_until answers held 2
}

@test "unhold says what waits, and pushes deploy again" {
	app_create unheld
	push unheld
	slipway hold unheld
	run slipway hold unheld
	[ "$status" -eq 0 ]
	push_version unheld 2
	run remote unhold unheld
	[ "$status" -eq 0 ]
	[[ $output == *"slipway deploy unheld"* ]]
	run slipway unhold unheld
	[ "$status" -eq 0 ]
	run push_version unheld 3
	[ "$status" -eq 0 ]
	wait_until answers unheld 3
	[ "$(slipway events unheld --json | jq -r '[.[].what] | map(select(endswith("hold"))) | join(" ")')" = "hold unhold" ]
}

@test "a daemon that starts deploys no held app" {
	app_create heldstart
	push heldstart
	slipway hold heldstart
	push_version heldstart 2
	local pid start
	read -r pid start <<<"$(server_recorded slipwayd)"
	slipway shutdown
	wait_until process_gone "$pid" "$start"
	server_start_slipwayd
	[ "$(slipway deployments heldstart --json | jq length)" = 1 ]
	answers heldstart 1
}

# --- logs --since -------------------------------------------------------------------------------------------------

@test "logs --since shows what was written since then, across a rotation" {
	app_create since
	push since
	wait_until answers since 1
	local log=$ROOT/logs/since/web.9.log
	printf '%s\n' "2020-01-01T10:00:00.000Z one" "2020-01-01T11:00:00.000Z two" >"$log.old"
	printf '%s\n' "2020-01-01T12:00:00.000Z three" "   of it" "2020-01-01T13:00:00.500Z four" >"$log"
	run slipway logs since web.9 --since 2020-01-01T11:00Z
	[ "$status" -eq 0 ]
	[ "$(cut -d' ' -f3- <<<"$output")" = "two
three
   of it
four" ]
	[ "$(slipway logs since web.9 --since 2020-01-01T12:00:01Z)" = "web.9 | four" ]
	[ "$(slipway logs since web.9 --since 2020-01-01T11:00:00Z -n 1)" = "web.9 | four" ]
	[ "$(slipway logs since web.9 --since 2020-01-01T11:30:00Z --json | jq -r .text | head -n1)" = three ]
	[ -z "$(slipway logs since web.9 --since 10m)" ]
	[ -n "$(slipway logs since web.9 --since 2020-01-01)" ]
	run --separate-stderr slipway logs since --since yesterday
	[ "$status" -eq 2 ]
	[[ $stderr == *10m* ]]
}

# --- completion ---------------------------------------------------------------------------------------------------

# What bash offers at the end of a line: complete_bash LINE
complete_bash() {
	env PATH="$SLIPWAY_BIN:$SERVER_PATH" SLIPWAY_ROOT="$ROOT" bash --norc -c '
		source <(slipway completion bash)
		compopt() { :; }    # only within a real completion
		COMP_LINE=$1 COMP_POINT=${#1}
		_slipway slipway
		printf "%s\n" "${COMPREPLY[@]}"' - "$1"
}
# What zsh offers, in a terminal of its own, as its functions do nothing without one.
complete_zsh() {
	env PATH="$SLIPWAY_BIN:$SERVER_PATH" SLIPWAY_ROOT="$ROOT" ZDOTDIR=/nonexistent zsh -f "$FIXTURES/complete.zsh" "$1" |
		tr -d '\r'
}
complete_fish() {
	env PATH="$SLIPWAY_BIN:$SERVER_PATH" SLIPWAY_ROOT="$ROOT" fish --no-config -c \
		'slipway completion fish | source; complete -C $argv[1]' "$1" | cut -f1
}

# The same for all shells: offers SHELL
offers() {
	local shell=complete_$1
	for word in apps config deploy hold completion logs; do
		"$shell" 'slipway ' | grep -qx -- "$word" || { echo "$1 offers no $word" && false; }
	done
	run "$shell" 'slipway '
	[[ $output != *git-hook* ]]
	[ "$("$shell" 'slipway hol')" = hold ]
	[ "$("$shell" 'slipway status complet')" = completed ]
	[ "$("$shell" 'slipway logs completed --fol')" = --follow ]
	[ "$("$shell" 'slipway logs -n 5 completed we')" = web ]
	[ "$("$shell" 'slipway rollback completed v')" = v1 ]
	[ "$("$shell" 'slipway config:get completed COLO')" = COLOUR ]
	[ "$("$shell" 'slipway help shutd')" = shutdown ]
	[ -z "$("$shell" 'slipway nosuch ')" ]
	[ -z "$("$shell" 'slipway status completed ')" ]
}

completed_app() {
	[ ! -d "$ROOT/repos/completed" ] || return 0
	app_create completed
	push completed
	slipway config:set completed --no-deploy COLOUR=red
}

@test "bash completes commands, options, apps, services, releases, settings" {
	completed_app
	offers bash
	# bash splits words at ':' and '='
	[ "$(complete_bash 'slipway config:l')" = live ]
	[ "$(complete_bash 'slipway ps:scale completed w')" = web= ]
	[ "$(cd "$WORK" && complete_bash 'slipway validate complet')" = completed ]
	[ "$(complete_bash "slipway --root $BATS_TEST_TMPDIR status complet")" = "" ]
	[ "$(complete_bash "slipway status --root $ROOT complet")" = completed ]
}

@test "zsh completes the same" {
	completed_app
	offers zsh
	[ "$(complete_zsh 'slipway config:l')" = config:live ]
}

@test "fish completes the same" {
	completed_app
	offers fish
	[ "$(complete_fish 'slipway config:l')" = config:live ]
}

@test "every command and option of the table is offered" {
	local command option
	for command in $(slipway complete bash -- '' | cut -f1); do
		while read -r option; do
			slipway complete bash -- "$command" "$option" | cut -f1 | grep -qx -- "$option"
		done < <(slipway help "$command" | grep -o -- '^ .*--[a-z-]*' | grep -o -- '--[a-z-]*')
	done
	diff <(slipway complete bash -- '' | cut -f1 | sort) \
		<(slipway help | grep '^  [a-z]' | awk '{ print $1 }' | sort)
}

# --- doctor -------------------------------------------------------------------------------------------------------

# The states of a check, one a line: finds NAME
finds() { slipway doctor --json | jq -r --arg name "$1" '.[] | select(.name == $name) | .state' | sort -u; }

@test "doctor finds nothing wrong on a server that is right" {
	run slipway doctor
	[ "$status" -eq 0 ]
	[[ $output != *failed* ]]
	for name in root config.toml store slipwayd control 'log keeper' nginx sandbox git openssl ssh-keygen ssh ports disk; do
		[ "$(finds "$name")" = ok ] || { finds "$name"; echo "$name" && false; }
	done
	run remote doctor
	[ "$status" -eq 0 ]
}

@test "doctor names what is wrong, and what to do" {
	local keys=$SERVER_DIR/ssh/authorized_keys
	chmod 755 "$ROOT/config"
	run slipway doctor
	[ "$status" -eq 1 ]
	[[ $output == *"$ROOT/config is open to others"*"-> "*setup* ]]
	chmod 700 "$ROOT/config"
	chmod 700 "$ROOT/data"
	[ "$(finds root)" = failed ]
	chmod 711 "$ROOT/data"

	chmod 770 "$SERVER_DIR/ssh"    # piku P35
	run slipway doctor
	chmod 700 "$SERVER_DIR/ssh"
	[ "$status" -eq 1 ]
	[[ $output == *"chmod go-w $SERVER_DIR/ssh"* ]]
	chmod 644 "$ROOT/run/token"
	[ "$(finds control)" = "failed
ok" ]
	chmod 600 "$ROOT/run/token"
	cp "$keys" "$keys.kept"
	sed -i "s|$SLIPWAY_BIN/slipway|/nonexistent/slipway|" "$keys"
	run slipway doctor
	mv "$keys.kept" "$keys"
	[ "$status" -eq 1 ]
	[[ $output == *"runs /nonexistent/slipway"* ]]
	echo 'broken' >"$ROOT/nginx/zz-broken.conf"
	run slipway doctor
	rm "$ROOT/nginx/zz-broken.conf"
	[ "$status" -eq 1 ]
	[[ $output == *zz-broken.conf* ]]
	[ "$(finds nginx)" = ok ]
}

@test "doctor without a daemon, without a root, with a damaged store" {
	local root=$BATS_TEST_TMPDIR/root
	run env SLIPWAY_ROOT="$root" "$SLIPWAY_BIN/slipway" doctor
	[ "$status" -eq 1 ]
	[[ $output == *"slipway setup"* ]]
	[ ! -e "$root" ]
	SLIPWAY_ROOT=$root "$SLIPWAY_BIN/slipway" setup
	run env SLIPWAY_ROOT="$root" "$SLIPWAY_BIN/slipway" doctor
	[ "$status" -eq 1 ]
	grep -q '^failed *slipwayd' <<<"$output"
	grep -q '^ok *store' <<<"$output"
	head -c 8192 /dev/zero | dd of="$root/state.db" bs=4096 seek=2 conv=notrunc status=none
	run env SLIPWAY_ROOT="$root" "$SLIPWAY_BIN/slipway" doctor
	[ "$status" -eq 1 ]
	grep -q '^failed *store' <<<"$output"
	[[ $output == *damaged* ]]
}

# --- disk, cleanup ------------------------------------------------------------------------------------------------

@test "disk says what an app costs, by class, and the sums are right" {
	app_create costly
	push costly
	head -c 300000 /dev/urandom >"$ROOT/data/costly/blob"
	mkdir -p "$ROOT/data/gone-app"
	head -c 50000 /dev/urandom >"$ROOT/data/gone-app/blob"
	local json
	json=$(slipway disk costly --json)
	jq -e '.apps[0] | .name == "costly" and .exists and .data_bytes >= 300000 and .data_bytes < 400000 and
		.releases_bytes > 0 and .repo_bytes > 0 and .logs_bytes > 0 and
		.total_bytes == .releases_bytes + .deps_bytes + .repo_bytes + .data_bytes + .cache_bytes + .logs_bytes' <<<"$json"
	json=$(slipway disk --json)
	jq -e '.total_bytes >= ([.apps[].total_bytes] | add) and .host_bytes > 0' <<<"$json"
	jq -e '.apps[] | select(.name == "gone-app") | .exists == false and .data_bytes >= 50000' <<<"$json"
	run slipway disk
	[ "$status" -eq 0 ]
	[[ $output == *"gone-app (gone)"* ]]
	rm -r "$ROOT/data/gone-app"
	run slipway disk nosuchapp
	[ "$status" -eq 3 ]
}

@test "cleanup removes what nothing references, and nothing else" {
	app_create tidy
	push tidy
	push_version tidy 2
	wait_until settled tidy
	mkdir -p "$ROOT/releases/tidy/v77/src" "$ROOT/releases/tidy/notes" "$ROOT/envs/tidy/deps/0123abcd" \
		"$ROOT/releases/lost-app/v1" "$ROOT/data/lost-app"
	head -c 100000 /dev/urandom >"$ROOT/releases/tidy/v77/src/blob"
	local before
	before=$(root_content)
	run slipway cleanup --dry-run
	[ "$status" -eq 0 ]
	[ "$(root_content)" = "$before" ]
	[[ $output == *releases/tidy/v77*releases/lost-app*"would be freed" ]]
	run slipway cleanup tidy --json
	[ "$status" -eq 0 ]
	[ "$(jq -r '.removed[].path' <<<"$output" | sort)" = "$ROOT/envs/tidy/deps/0123abcd
$ROOT/releases/tidy/v77" ]
	jq -e '.size_bytes >= 100000 and (.dry_run | not)' <<<"$output"
	[ ! -e "$ROOT/releases/tidy/v77" ]
	[ ! -e "$ROOT/envs/tidy/deps/0123abcd" ]
	[ -d "$ROOT/releases/tidy/notes" ]
	[ -d "$ROOT/releases/lost-app" ]
	slipway cleanup
	[ ! -e "$ROOT/releases/lost-app" ]
	[ -d "$ROOT/data/lost-app" ]
	[ "$(releases_of tidy)" = "v1
v2" ]
	answers tidy 2
	run slipway rollback tidy
	[ "$status" -eq 0 ]
	answers tidy 1
	[ "$(slipway cleanup tidy)" = "Nothing to remove." ]
}

@test "cleanup applies retention now, and old logs of deployments go" {
	app_create trim
	push trim
	local version
	for version in 2 3; do push_version trim "$version"; done
	wait_until settled trim
	local first
	first=$(slipway deployments trim --json | jq '[.[].id] | min')
	# more than what is kept, as after a retention that was cut short
	sqlite3 "$ROOT/state.db" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
		INSERT INTO deployment (app, kind, state, version, from_version, from_deployment, created_ms)
		SELECT 'trim', 'restart', 'succeeded', 3, 3, 0, 1 FROM n"
	[ -e "$ROOT/logs/trim/deploy-$first.log" ]
	slipway config:set trim KEEP_RELEASES=1 --no-deploy
	push_version trim 4
	wait_until settled trim
	run slipway cleanup trim
	[ "$status" -eq 0 ]
	[ ! -e "$ROOT/logs/trim/deploy-$first.log" ]
	[ "$(releases_of trim)" = "v3
v4" ]
	answers trim 4
}

# --- manual pages -------------------------------------------------------------------------------------------------

# "COMMAND" and "COMMAND --option" a line: what the page explains.
in_manual() {
	awk '/^\*/ { command = $1; gsub(/[*,]/, "", command); print command }
		/^\t\*-/ { match($0, /--[a-z-]+/); print command, substr($0, RSTART, RLENGTH) }' "$1"
}
in_help() {
	local command
	for command in $(slipway help | grep '^  [a-z]' | awk '{ print $1 }'); do
		echo "$command"
		slipway help "$command" | grep -o '^  \(-.,\|   \) --[a-z-]*' | grep -v -- --help | sed "s/.* --/$command --/"
	done
}

@test "slipway(1) explains every command and option of the table, and nothing else" {
	"$REPO/scripts/man-commands" "$REPO/man/slipway.1.scd.in" "$SLIPWAY_BIN/slipway" >"$BATS_TEST_TMPDIR/page"
	sed '1,/^# COMMANDS/d; /^# OPTIONS/,$d' "$BATS_TEST_TMPDIR/page" | sed '1,/^## /d' >"$BATS_TEST_TMPDIR/commands"
	diff <(in_help | sort) <(in_manual "$BATS_TEST_TMPDIR/commands" | sort)
	[ "$(in_help | grep -c ' --')" -gt 30 ]
	scdoc <"$BATS_TEST_TMPDIR/page" | grep -q '^\.SH NAME'
	scdoc <"$REPO/man/slipwayd.8.scd" | grep -q '^\.SH SIGNALS'
}

@test "slipway-config(5) explains every setting of docs/settings.md" {
	"$REPO/scripts/man-config" "$REPO/docs/settings.md" >"$BATS_TEST_TMPDIR/page"
	scdoc <"$BATS_TEST_TMPDIR/page" | grep -q '^\.SH NAME'
	local name
	while read -r name; do
		grep -q "^\*$name\*" <(sed 's/\\_/_/g' "$BATS_TEST_TMPDIR/page") || { echo "$name" && false; }
	done < <(sed -n 's/^| `\([A-Z_]*\)` .*/\1/p' "$REPO/docs/settings.md")
	grep -q '\*\[ports\] first\*\|\*\[ports\]\* \*first\*\|\[ports\].*first' "$BATS_TEST_TMPDIR/page"
}
