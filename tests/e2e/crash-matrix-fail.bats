# The crash matrix (fixtures/crash.py): deployments that fail by themselves, and such that die again while they are repaired.
load helpers

setup_file() { crash_server_start; }
teardown_file() { crash_server_stop; }

@test "a push whose release command fails, and that is killed, leaves the old release" { crash_matrix failing-release; }

@test "so does one whose web service ends" { crash_matrix failing-check; }

@test "so does one whose worker ends, when what lived was stopped already" { crash_matrix failing-switch; }

@test "a repair that is killed is repaired" { crash_matrix repairs; }
