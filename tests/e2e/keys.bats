# What a key may do: roles on apps, and that an app without a right is not there for it.
# shellcheck disable=SC2154 # output and stderr are set by run
load helpers

setup_file() {
	server_start
	for key in reader deployer owner; do
		ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$SERVER_DIR/ssh/$key"
	done
	for app in shop shop-next secret; do
		app_create "$app"
		push "$app"
	done
	slipway setup:ssh --allow read:shop "$SERVER_DIR/ssh/reader.pub"
	slipway setup:ssh --allow 'deploy:shop*,read:sec?et-not' "$SERVER_DIR/ssh/deployer.pub"
	slipway setup:ssh --allow 'admin:shop-next' "$SERVER_DIR/ssh/owner.pub"
}
teardown_file() { server_stop; }

# as KEY COMMAND...: over SSH with that key alone.
options_of() { echo "${SSH_OPTIONS/"$SERVER_DIR/ssh/key"/"$SERVER_DIR/ssh/$1"}"; }
as() {
	local options
	options=$(options_of "$1")
	# shellcheck disable=SC2086 # the options are words
	timeout 180 ssh $options -p "$SSH_PORT" "$SERVER_USER@127.0.0.1" "${@:2}"
}
# push_as KEY APP [NAME]
push_as() {
	GIT_SSH_COMMAND="ssh $(options_of "$1")" git -C "$WORK/$2" push "$SSH_URL/${3:-$2}" main 2>&1
}

@test "a key sees the apps it may read, and no other anywhere" {
	[ "$(as reader apps --json | jq -r '.[].name' | xargs)" = shop ]
	[ "$(as deployer apps --json | jq -r '.[].name' | xargs)" = "shop shop-next" ]
	[ "$(slipway apps --json | jq -r '.[].name' | xargs)" = "secret shop shop-next" ]
	for command in events disk "apps -l" "status shop" help; do
		run as reader "$command"
		[ "$status" -eq 0 ]
		[[ $output != *secret* && $output != *shop-next* ]]
	done
	[ "$(as reader events --json | jq -r '[.[].app] | unique | join(" ")')" = shop ]
	[ "$(as reader events --json -n 1 | jq length)" = 1 ]
	[ "$(as reader disk --json | jq -r '[.apps[].name, .host_bytes // "none"] | join(" ")')" = "shop none" ]
}

@test "an app without a right answers as one that does not exist" {
	local there missing
	for command in status ps logs releases deployments events plan disk "run X true" "config X" "destroy --yes" \
		"config:set X A=1" "deploy" "git-upload-pack" "git-receive-pack"; do
		there=$(as reader "$(word_for "$command" secret)" 2>&1; echo "$?")
		missing=$(as reader "$(word_for "$command" secrex)" 2>&1; echo "$?")
		[ "${there//secret/APP}" = "${missing//secrex/APP}" ] || { echo "$command: $there / $missing" && false; }
		[ "${there##*$'\n'}" -ne 0 ]
	done
	# a name that is its to ask for, and near one that is not
	slipway keys:allow owner admin:shop-next,deploy:secre
	for command in ps events status logs plan disk; do
		run as owner "$command secre"
		[ "$status" -eq 3 ]
		[[ $output == *"'secre' not found"* && $output != *secret* ]]
	done
	slipway keys:allow owner admin:shop-next
	run as reader ps sho
	[ "$status" -eq 3 ]
	[[ $output != *shop-next* ]]
	[[ $(slipway ps secret) == *web* ]]
}
word_for() { if [[ $1 == *X* ]]; then echo "${1/X/$2}"; else echo "$1 $2"; fi; }

@test "a key that may read fetches and looks, and changes nothing" {
	for command in "ps shop" "logs shop" "releases shop" "plan shop"; do
		run as reader "$command"
		[ "$status" -eq 0 ]
	done
	GIT_SSH_COMMAND="ssh $(options_of reader)" git clone -q "$SSH_URL/shop" "$BATS_TEST_TMPDIR/clone"
	[ -e "$BATS_TEST_TMPDIR/clone/Procfile" ]
	local before
	before=$(slipway deployments shop --json | jq length)
	for command in "config shop" "config:set shop A=1" "run shop true" "restart shop" "stop shop" "ps:scale shop web=2" \
		"destroy shop --yes" "hold shop"; do
		run as reader "$command"
		[ "$status" -eq 7 ]
		[[ $output == *"'reader'"* ]]
	done
	set_version shop 2
	run push_as reader shop
	[ "$status" -ne 0 ]
	[ "$(slipway deployments shop --json | jq length)" = "$before" ]
	answers shop 1
}

@test "a key that may deploy pushes, makes apps of names it has, and destroys none" {
	set_version shop 3
	run push_as deployer shop
	[ "$status" -eq 0 ]
	wait_until answers shop 3
	run as deployer config:set shop COLOUR=blue
	[ "$status" -eq 0 ]
	[ "$(as deployer run shop printenv COLOUR)" = blue ]
	app_create shop-new
	run push_as deployer shop-new
	[ "$status" -eq 0 ]
	wait_until answers shop-new 1
	run as deployer destroy shop-new --yes
	[ "$status" -eq 7 ]
	for name in secret secrex; do
		run push_as deployer shop "$name"
		[ "$status" -ne 0 ]
		[[ $output == *"may not push to an app of the name '$name'"* ]]
	done
	[ ! -e "$ROOT/repos/secrex" ]
	answers secret 1
}

@test "a key that is administrator of an app destroys it, and has no word in the host's affairs" {
	for command in keys doctor cleanup setup:ssh\ - status "keys:allow owner admin" "keys:remove reader" "destroy shop --yes"; do
		run as owner "$command" </dev/null
		[[ $status == 7 || $command == destroy* && $status == 3 ]] || { echo "$command" && false; }
	done
	run as owner destroy shop-next --yes
	[ "$status" -eq 0 ]
	[ "$(slipway apps --json | jq '[.[] | select(.name == "shop-next")] | length')" = 0 ]
}

@test "keys:allow says anew what a key may do; letting the key in again takes nothing back and gives nothing" {
	[ "$(slipway keys --json | jq -r '.[] | select(.name == "reader") | .may')" = read:shop ]
	run slipway setup:ssh "$SERVER_DIR/ssh/reader.pub"
	[ "$status" -eq 0 ]
	[ "$(slipway keys --json | jq -r '.[] | select(.name == "reader") | .may')" = read:shop ]
	run slipway keys:allow reader read:secret deploy:shop
	[ "$status" -eq 0 ]
	[ "$(as reader apps --json | jq -r '.[].name' | xargs)" = "secret shop" ]
	run as reader restart shop
	[ "$status" -eq 0 ]
	for grant in root 'read:../x' 'read:' 'deploy:a b' '' 'read,,write' "read:'x'"; do
		run slipway keys:allow reader "$grant"
		[ "$status" -eq 4 ]
	done
	run slipway keys:allow nobody read
	[ "$status" -eq 3 ]
	[ "$(slipway keys --json | jq -r '.[] | select(.name == "reader") | .may')" = read:secret,deploy:shop ]
	[ "$(slipway keys --json | jq -r '[.[] | select(.name | IN("reader", "deployer", "owner") | not) | .may] | unique[]')" = admin ]
}

@test "a line whose grants cannot be read lets nobody do anything" {
	sed -i "s/ read:secret,deploy:shop\"/ read:secret,everything\"/" "$SERVER_DIR/ssh/authorized_keys"
	run as reader apps
	[ "$status" -eq 7 ]
	run as reader version
	[ "$status" -eq 7 ]
	slipway keys:allow reader admin
	run as reader keys
	[ "$status" -eq 0 ]
}
