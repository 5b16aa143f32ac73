# The crash matrix (fixtures/crash.py): whatever dies where in a redeployment, the app is on its old release or on its new
# one, wholly, and nothing is orphaned. The tables are the output.
load helpers

setup_file() { crash_server_start; }
teardown_file() { crash_server_stop; }

@test "a second push that is killed leaves the old release or the new one" { crash_matrix redeploy; }

@test "so does one that is killed in what the daemon does for it" { crash_matrix requests; }

@test "so does one that is killed in what the log keeper does for it" { crash_matrix keeper; }

@test "so does one while which nginx is killed too" { crash_matrix nginx; }
