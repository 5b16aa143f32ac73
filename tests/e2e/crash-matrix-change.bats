# The crash matrix (fixtures/crash.py): what changes an app without a push.
load helpers

setup_file() { crash_server_start; }
teardown_file() { crash_server_stop; }

@test "a rollback that is killed leaves the one release or the other" { crash_matrix rollback; }

@test "a push with which the app's files change hands leaves them all with one user" {
	[ "$(id -u)" = 0 ] || skip "slipwayd has to run as root to run apps as other users"
	export CRASH_UID_FIRST=$((33000 + ${CHECK_SLOT:-2} * 100))
	crash_matrix owner
}

@test "a restart that is killed leaves one generation" { crash_matrix restart; }

@test "a stop that is killed is done or not" { crash_matrix stop; }

@test "so is a start" { crash_matrix start; }

@test "scaling up that is killed leaves the few or the many" { crash_matrix scale-up; }

@test "so does scaling down" { crash_matrix scale-down; }
