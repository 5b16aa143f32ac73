# The sandbox where the kernel refuses a layer: slipwayd runs beneath a filter that makes the calls fail.
load helpers

setup_file() {
	refuse_build || return 0
	server_start
	app_create app
	push app
	LEVEL=$(slipway status --json | jq -r .sandbox)
	export LEVEL
}
teardown_file() { server_stop; }

# refused WHAT -- COMMAND...: the command line, there.
refused() {
	timeout 180 env -i PATH="$SERVER_PATH" HOME="$SERVER_DIR/home" USER="$SERVER_USER" SLIPWAY_ROOT="$ROOT" \
		SLIPWAY_AUTHORIZED_KEYS="$SERVER_DIR/ssh/authorized_keys" "$REFUSE" "$@"
}

# works LEVEL VERSION WHAT...: it is said everywhere, and apps run and are deployed.
works() {
	local level=$1 version=$2
	shift 2
	[ "$(slipway status --json | jq -r .sandbox)" = "$level" ]
	[ "$(slipway ps app --json | jq -r '.instances[0].sandbox')" = "$level" ]
	run slipway ps app
	[[ $output == *" $level"* ]]
	run push_version app "$version"
	[ "$status" -eq 0 ]
	[[ $output == *"sandbox: $level"* ]]
	answers app "$version"
	run refused "$@" -- "$SLIPWAY_BIN/slipway" run app 'cat VERSION; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = "$version" ]
}

# beneath (helpers.bash), until the app is there again.
app_beneath() {
	beneath "$@"
	WAIT_SECONDS=120 wait_until answers app "$(<"$WORK/app/VERSION")"
}

# What doctor says of the sandbox, there.
doctor_says() { refused "$@" -- "$SLIPWAY_BIN/slipway" doctor | grep -A2 'sandbox'; }

@test "sandbox: both layers where nothing is refused" {
	[[ $LEVEL == both ]] || skip "this machine has '$LEVEL' only"
	app_beneath
	works both 2
	run doctor_says
	[[ $output == *'both: bubblewrap, and Landlock version'* ]]
}

@test "sandbox: Landlock alone where namespaces are refused" {
	[[ $LEVEL == both || $LEVEL == landlock ]] || skip "this kernel has no Landlock"
	app_beneath namespaces
	works landlock 3 namespaces
	run refused namespaces -- "$SLIPWAY_BIN/slipway" run app "cat $ROOT/run/token"
	[ "$status" -ne 0 ]
	run doctor_says namespaces
	[[ $output == *'landlock alone'*'let this user make namespaces'* ]]
}

@test "sandbox: an older Landlock says what it lacks" {
	[[ $LEVEL == both || $LEVEL == landlock ]] || skip "this kernel has no Landlock"
	printf '[sandbox]\nlandlock_abi = 1\n' >>"$ROOT/config.toml"
	app_beneath namespaces
	works landlock 4 namespaces
	[ "$(slipway status --json | jq -r .landlock_abi)" = 1 ]
	run doctor_says namespaces
	[[ $output == *'version 1'*'moved'*'truncating'*'ioctl'*'signals'* ]]
	if [ "$LEVEL" = both ]; then
		app_beneath
		works bwrap 5
	fi
	sed -i '/^\[sandbox\]/,$d' "$ROOT/config.toml"
}

@test "sandbox: bubblewrap alone where the kernel has no Landlock" {
	[[ $LEVEL == both || $LEVEL == bwrap ]] || skip "bubblewrap does not work here"
	app_beneath landlock
	works bwrap 6 landlock
	run doctor_says landlock
	[[ $output == *'without Landlock'* ]]
}

@test "sandbox: where all is refused apps run, and doctor warns" {
	app_beneath namespaces landlock
	works none 7 namespaces landlock
	run doctor_says namespaces landlock
	[[ $output == *'apps and builds see all that this user sees'* ]]
}
