# The crash matrix (fixtures/crash.py): what changes an app without a push.
load helpers

setup_file() { crash_server_start; }
teardown_file() { crash_server_stop; }

@test "a rollback that is killed leaves the one release or the other" { crash_matrix rollback; }

@test "a restart that is killed leaves one generation" { crash_matrix restart; }
