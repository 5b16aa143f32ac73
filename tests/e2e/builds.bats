# Detection and builds for Python, Node and static files: of group E of the Piku contract's acceptance cases.
load helpers

setup_file() {
	export TOOLS=$BATS_FILE_TMPDIR/tools
	mkdir -p "$TOOLS"
	# shellcheck disable=SC2034 # scripts/server.bash reads it
	SERVER_CONFIG=$'[build]\npath = "'"$TOOLS:$SERVER_PATH"'"'
	server_start
}
teardown_file() { server_stop; }

deps_of() { find "$ROOT/envs/$1/deps" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' 2>/dev/null | sort; }
runtime_of() { slipway plan "$1" --json | jq -r .runtime; }

# A wheel of one module that knows its version, so that installing needs no network.
wheel() {
	python3 - "$WORK/$1" "$2" <<-'END'
	import sys, zipfile
	dir, version = sys.argv[1:]
	with zipfile.ZipFile(f"{dir}/dep-{version}-py3-none-any.whl", "w") as z:
	    info = f"dep-{version}.dist-info"
	    z.writestr("dep.py", f"VERSION = '{version}'\n")
	    z.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: dep\nVersion: {version}\n")
	    z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
	    z.writestr(f"{info}/RECORD", "dep.py,,\n" + "".join(f"{info}/{n},,\n" for n in ("METADATA", "WHEEL", "RECORD")))
	END
	echo "./dep-$2-py3-none-any.whl" >"$WORK/$1/requirements.txt"
}
python_create() {
	app_create "$1"
	wheel "$1" 1.0
	printf 'import dep, os\nos.environ["DEP"] = dep.VERSION\nimport runpy\nrunpy.run_path("server.py")\n' >"$WORK/$1/main.py"
	procfile "$1" 'web: python main.py'
}

@test "piku-E01 E10 E11 dependencies are installed once for each content of requirements.txt" {
	python_create e10
	run push e10
	[ "$status" -eq 0 ]
	[[ $output == *Python* ]]
	[ "$(ask e10 .env.DEP)" = 1.0 ]
	local first
	first=$(ask e10 .env.VIRTUAL_ENV)
	[[ $first == *"/deps/$(deps_of e10)"* ]]
	run push_version e10 2
	[ "$(deps_of e10 | wc -l)" = 1 ]
	[ "$(ask e10 .env.VIRTUAL_ENV)" = "$first" ]
	rm "$WORK/e10"/dep-*
	wheel e10 2.0
	for version in 3 4 5; do
		run push_version e10 $version
		[ "$status" -eq 0 ]
	done
	[ "$(ask e10 .env.DEP)" = 2.0 ]
	[ "$(ask e10 .env.VIRTUAL_ENV)" != "$first" ]
	[ "$(deps_of e10 | wc -l)" -le 2 ]
}

@test "piku-E02 requirements.txt before package.json" {
	python_create e02
	echo '{"name": "x", "version": "1.0.0"}' >"$WORK/e02/package.json"
	commit e02
	run push e02
	[ "$status" -eq 0 ]
	[ "$(runtime_of e02)" = python ]
}

@test "piku-E03 pyproject.toml without uv and Poetry fails, naming both" {
	[ ! -x /usr/bin/poetry ] && [ ! -x /usr/bin/uv ] || skip "one of them is installed here"
	app_create e03
	# with "release" beside "web" it would fit the Generic row of the table, as in Piku
	procfile e03 'web: python3 server.py'
	printf '[project]\nname = "e03"\nversion = "1"\n' >"$WORK/e03/pyproject.toml"
	commit e03
	run push e03
	[ "$status" -ne 0 ]
	[[ $output == *poetry* || $output == *Poetry* ]]
	[[ $output == *uv* ]]
	[ "$(running e03)" = 0 ]
}

@test "piku-E09 a failed installation fails the push, keeps the old version, and is tried again" {
	python_create e09
	push e09
	echo ./nothere.whl >>"$WORK/e09/requirements.txt"
	run push_version e09 2
	[ "$status" -eq 1 ]
	[[ $output == *nothere* ]]
	answers e09 1
	run push_version e09 3
	[ "$status" -eq 1 ]
	[[ $output == *nothere* ]]
	answers e09 1
	wheel e09 1.0
	run push_version e09 4
	[ "$status" -eq 0 ]
	answers e09 4
	[ "$(ask e09 .env.DEP)" = 1.0 ]
}

@test "piku-E12 PYTHON_VERSION chooses the interpreter" {
	local version
	version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	python_create e12
	echo "PYTHON_VERSION=$version" >"$WORK/e12/ENV"
	commit e12
	run push e12
	[ "$status" -eq 0 ]
	[ -d "$(ask e12 .env.VIRTUAL_ENV)/lib/python$version" ]
}

@test "an app that installs itself is not tied to its first release" {
	python_create self
	mkdir -p "$WORK/self/lib/mine"
	printf 'from setuptools import setup\nsetup(name="mine", version="1", package_dir={"": "lib"}, packages=["mine"])\n' \
		>"$WORK/self/setup.py"
	echo 'VALUE = "first"' >"$WORK/self/lib/mine/__init__.py"
	printf '%s\n' '-e .' >>"$WORK/self/requirements.txt"
	printf 'import mine, os\nos.environ["MINE"] = mine.VALUE\nimport runpy\nrunpy.run_path("server.py")\n' \
		>"$WORK/self/main.py"
	commit self
	run push self
	if [ "$status" -ne 0 ] && [[ $output == *"setuptools"* ]]; then
		skip "needs setuptools without a network"
	fi
	[ "$status" -eq 0 ]
	[ "$(ask self .env.MINE)" = first ]
	echo 'VALUE = "second"' >"$WORK/self/lib/mine/__init__.py"
	run push_version self 2
	[ "$status" -eq 0 ]
	[ "$(ask self .env.MINE)" = second ]
	run slipway rollback self
	[ "$status" -eq 0 ]
	[ "$(ask self .env.MINE)" = first ]
}

@test "piku-E16 NODE_VERSION of the installed major version installs nothing" {
	command -v /usr/bin/node >/dev/null || skip "no node"
	app_create e16
	echo '{"name": "e16", "version": "1.0.0"}' >"$WORK/e16/package.json"
	echo "NODE_VERSION=$(/usr/bin/node -p 'process.versions.node.split(".")[0]')" >"$WORK/e16/ENV"
	commit e16
	run push e16
	[ "$status" -eq 0 ]
	[[ ${output,,} != *warning*node* ]]
	run push_version e16 2
	[ "$status" -eq 0 ]
}

@test "a Node app without dependencies needs no npm" {
	app_create nonpm
	echo '{"name": "nonpm", "version": "1.0.0"}' >"$WORK/nonpm/package.json"
	procfile nonpm 'web: node server.js'
	cat >"$WORK/nonpm/server.js" <<-'END'
	require('http').createServer((q, s) => s.end(JSON.stringify({version: 'node'}))).listen(process.env.PORT, process.env.BIND_ADDRESS);
	END
	commit nonpm
	printf '#!/bin/sh\ntouch %s/npm-was-called\nexit 1\n' "$BATS_FILE_TMPDIR" >"$TOOLS/npm"
	chmod +x "$TOOLS/npm"
	run push nonpm
	rm "$TOOLS/npm"
	[ "$status" -eq 0 ]
	answers nonpm node
	[ ! -e "$BATS_FILE_TMPDIR/npm-was-called" ]
}

@test "piku-E18 locked dependencies are installed, and modules are found" {
	command -v npm >/dev/null || skip "no npm"
	app_create e18
	mkdir -p "$WORK/e18/vendor/dep"
	echo '{"name": "dep", "version": "1.2.3", "main": "index.js"}' >"$WORK/e18/vendor/dep/package.json"
	echo 'module.exports = "1.2.3";' >"$WORK/e18/vendor/dep/index.js"
	(cd "$WORK/e18/vendor/dep" && npm pack --silent --pack-destination .. >/dev/null && cd .. && rm -r dep)
	echo '{"name": "e18", "version": "1.0.0", "dependencies": {"dep": "file:vendor/dep-1.2.3.tgz"}}' >"$WORK/e18/package.json"
	cat >"$WORK/e18/server.js" <<-'END'
	require('http').createServer((q, s) => s.end(JSON.stringify({version: require('dep')}))).listen(process.env.PORT, process.env.BIND_ADDRESS);
	END
	printf 'web: node server.js\n' >"$WORK/e18/Procfile"
	(cd "$WORK/e18" && npm install --silent --offline --package-lock-only)
	commit e18
	run push e18
	[ "$status" -eq 0 ]
	answers e18 1.2.3
	run git -C "$ROOT/apps/e18" diff --exit-code package-lock.json
	[ "$(cat "$ROOT/apps/e18/package-lock.json")" = "$(cat "$WORK/e18/package-lock.json")" ]
}

@test "a static site needs no process" {
	app_empty site
	mkdir "$WORK/site/public"
	echo hello >"$WORK/site/public/index.html"
	procfile site 'static: public'
	run push site
	[ "$status" -eq 0 ]
	[ "$(http site.localhost /)" = hello ]
	[ "$(running site)" = 0 ]
	[ "$(runtime_of site)" = static ]
}

@test "nothing to run is refused before anything is built" {
	app_empty nothing
	procfile nothing 'release: true'
	run push nothing
	[ "$status" -ne 0 ]
	[ -n "$output" ]
	[ "$(running nothing)" = 0 ]
}
