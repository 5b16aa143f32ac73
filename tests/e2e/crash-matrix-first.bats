# The crash matrix (fixtures/crash.py): the beginning and the end of an app.
load helpers

setup_file() { crash_server_start; }
teardown_file() { crash_server_stop; }

@test "a first push that is killed leaves nothing that lives, or the release" { crash_matrix first; }

@test "a destroy that is killed is finished" { crash_matrix destroy; }
