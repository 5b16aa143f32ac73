# Languages with their real tool chains: detection, what is installed, what the app finds. Group E of the Piku contract's
# acceptance cases; Python and Node are in builds.bats. What a tool would fetch from elsewhere comes from a server here.
load helpers

setup_file() {
	export TOOLS=$BATS_FILE_TMPDIR/tools MIRROR=$BATS_FILE_TMPDIR/mirror
	mkdir -p "$TOOLS" "$MIRROR"
	# shellcheck disable=SC2034 # scripts/server.bash reads it
	SERVER_CONFIG=$'[build]\npath = "'"$TOOLS:$SERVER_PATH"'"'
	server_start
	mirror_start
}
teardown_file() {
	mirror_stop
	server_stop
}
cleanup_test() {
	rm -f "$TOOLS"/*
	[ ! -e "$ROOT/config.saved" ] || mv "$ROOT/config.saved" "$ROOT/config.toml"
}

# Serves $MIRROR, under any host's name when it is asked as a proxy.
mirror_start() {
	python3 - "$MIRROR" "$BATS_FILE_TMPDIR/mirror.port" 3>&- <<-'END' &
	import functools, http.server, os, sys, urllib.parse
	class Handler(http.server.SimpleHTTPRequestHandler):
	    def translate_path(self, path):
	        return super().translate_path(urllib.parse.urlsplit(path).path)
	    def log_message(self, *args):
	        pass
	server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1]))
	with open(sys.argv[2] + ".new", "w") as f:
	    f.write(str(server.server_port))
	os.rename(sys.argv[2] + ".new", sys.argv[2])
	server.serve_forever()
	END
	echo $! >"$BATS_FILE_TMPDIR/mirror.pid"
	wait_until test -s "$BATS_FILE_TMPDIR/mirror.port"
	MIRROR_URL=http://127.0.0.1:$(cat "$BATS_FILE_TMPDIR/mirror.port")
	export MIRROR_URL
}
mirror_stop() {
	kill "$(cat "$BATS_FILE_TMPDIR/mirror.pid" 2>/dev/null)" 2>/dev/null || :
}

needs() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || skip "no $tool on this machine"
	done
}
# From here on deployments find these tools only.
only_tools() {
	local dir=$BATS_TEST_TMPDIR/only tool
	mkdir -p "$dir"
	for tool in "$@"; do ln -s "$(command -v "$tool")" "$dir/$tool"; done
	mv "$ROOT/config.toml" "$ROOT/config.saved"
	sed "s|^path = .*|path = \"$dir\"|" "$ROOT/config.saved" >"$ROOT/config.toml"
}
# A stand-in for a tool that neither Debian nor this machine has: it writes down how it is called.
tool_stub() {
	cat >"$TOOLS/$1" <<-END
	#!/bin/sh
	echo "$1 \$* in \$PWD GOPATH=\$GOPATH" >>"\$XDG_CACHE_HOME/calls"
	${2:-}
	END
	chmod +x "$TOOLS/$1"
}
deps_of() { find "$ROOT/envs/$1/deps" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' 2>/dev/null | sort; }
runtime_of() { slipway plan "$1" --json | jq -r .runtime; }
file() { mkdir -p "$(dirname "$WORK/$1")" && cat >"$WORK/$1"; }

# --- Ruby -----------------------------------------------------------------------------------------------------

# A gem of one file that knows its version, on the mirror.
gem_publish() {
	local dir=$BATS_TEST_TMPDIR/gem
	mkdir -p "$dir/lib" "$MIRROR/gems"
	echo "DEP = '$1'" >"$dir/lib/dep.rb"
	cat >"$dir/dep.gemspec" <<-END
	Gem::Specification.new { |s| s.name = "dep"; s.version = "$1"; s.summary = "x"; s.authors = ["x"]; s.files = ["lib/dep.rb"] }
	END
	(cd "$dir" && gem build -q dep.gemspec >/dev/null 2>&1 && mv "dep-$1.gem" "$MIRROR/gems/")
	(cd "$MIRROR" && gem generate_index >/dev/null)
}
ruby_create() {
	app_empty "$1"
	file "$1/server.rb" <<-'END'
	require 'json'
	require 'socket'
	require 'dep'
	server = TCPServer.new(ENV['BIND_ADDRESS'], ENV['PORT'])
	loop do
	  client = server.accept
	  nil until client.gets.to_s.strip.empty?
	  body = JSON.generate(version: File.read('VERSION').strip, dep: DEP, env: ENV.to_h)
	  client.write("HTTP/1.1 200 OK\r\nContent-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n#{body}")
	  client.close
	end
	END
	procfile "$1" 'web: bundle exec ruby server.rb'
}

@test "piku-E01 Ruby: gems are installed once for each content of Gemfile and lock" {
	needs ruby gem bundle
	gem_publish 1.0
	ruby_create rb
	printf 'source "%s"\ngem "dep", require: false\n' "$MIRROR_URL" >"$WORK/rb/Gemfile"
	commit rb
	run push rb
	[ "$status" -eq 0 ]
	[[ $output == *"Ruby Application app detected."* ]]
	[[ $output == *"bundle install"* ]]
	[ "$(ask rb .dep)" = 1.0 ]
	[ "$(runtime_of rb)" = ruby ]
	local first
	first=$(deps_of rb)
	[ -d "$ROOT/envs/rb/deps/$first/ruby" ]
	[ "$(ask rb .env.VIRTUAL_ENV)" = "$ROOT/envs/rb/deps/$first" ]
	# newer gems do not matter while nothing is installed anew
	gem_publish 2.0
	run push_version rb 2
	[ "$status" -eq 0 ]
	[[ $output != *"bundle install"* ]]
	[ "$(ask rb '.version + " " + .dep')" = "2 1.0" ]
	[ "$(deps_of rb)" = "$first" ]
	echo 'gem "dep", "2.0", require: false' >"$WORK/rb/Gemfile"
	sed -i "1i source '$MIRROR_URL'" "$WORK/rb/Gemfile"
	run push_version rb 3
	[ "$status" -eq 0 ]
	[ "$(ask rb '.version + " " + .dep')" = "3 2.0" ]
	[ "$(deps_of rb | wc -l)" = 2 ]
	[ -z "$(find "$ROOT/data/rb/home" -mindepth 1)" ] # nothing was kept there but in the cache
}

@test "Ruby: a gem of the app itself is that of its release; a gem that is missing fails the push" {
	needs ruby gem bundle
	ruby_create rbpath
	mkdir -p "$WORK/rbpath/dep/lib"
	echo "Gem::Specification.new { |s| s.name = 'dep'; s.version = '1'; s.summary = 'x'; s.authors = ['x'] }" \
		>"$WORK/rbpath/dep/dep.gemspec"
	echo "DEP = 'first'" >"$WORK/rbpath/dep/lib/dep.rb"
	echo 'gem "dep", path: "dep"' >"$WORK/rbpath/Gemfile"
	commit rbpath
	run push rbpath
	[ "$status" -eq 0 ]
	[ "$(ask rbpath .dep)" = first ]
	echo "DEP = 'second'" >"$WORK/rbpath/dep/lib/dep.rb"
	run push_version rbpath 2
	[ "$status" -eq 0 ]
	[ "$(ask rbpath .dep)" = second ]
	echo 'gem "nothere"' >>"$WORK/rbpath/Gemfile"
	run push_version rbpath 3
	[ "$status" -eq 1 ]
	[[ $output == *nothere* ]]
	[ "$(ask rbpath .dep)" = second ]
}

@test "piku-E04 a Gemfile without bundle fails and names it" {
	only_tools sh python3
	app_empty e04
	touch "$WORK/e04/Gemfile"
	procfile e04 'web: ruby server.rb'
	run push e04
	[ "$status" -eq 1 ]
	[[ $output == *"Gemfile found, but these are missing: ruby, gem, bundle (apt-get install ruby ruby-bundler)"* ]]
	[ "$(running e04)" = 0 ]
}

@test "piku-E05 a Gemfile without its tools falls through to Node with a warning" {
	needs node
	only_tools sh python3 node
	app_create e05
	touch "$WORK/e05/Gemfile"
	echo '{"name": "x", "version": "1.0.0"}' >"$WORK/e05/package.json"
	commit e05
	run push e05
	[ "$status" -eq 0 ]
	[[ ${output,,} == *warning*bundle* ]]
	[ "$(runtime_of e05)" = node ]
}

# --- Go -------------------------------------------------------------------------------------------------------

go_create() {
	app_empty "$1"
	file "$1/main.go" <<-'END'
	package main

	import (
		"encoding/json"
		"net/http"
		"os"
		"strings"
	)

	func main() {
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			version, _ := os.ReadFile("VERSION")
			json.NewEncoder(w).Encode(map[string]string{"version": strings.TrimSpace(string(version)),
				"gopath": os.Getenv("GOPATH"), "answer": answer})
		})
		http.ListenAndServe(os.Getenv("BIND_ADDRESS")+":"+os.Getenv("PORT"), nil)
	}
	END
	printf 'package main\n\nconst answer = "first"\n' >"$WORK/$1/answer.go"
}

@test "piku-E01 piku-E20 Go: go mod tidy and nothing else; the release command compiles" {
	needs go
	go_create gomod
	printf 'module example.org/gomod\n\ngo 1.19\n' >"$WORK/gomod/go.mod"
	procfile gomod 'web: ./gomod' 'release: go build .'
	run push gomod
	[ "$status" -eq 0 ]
	[[ $output == *"Go app detected."* ]]
	[[ $output == *"go mod tidy"* ]]
	[ "$(ask gomod '.version + " " + .answer')" = "1 first" ]
	[ "$(ask gomod .gopath)" = "$ROOT/envs/gomod/deps/$(deps_of gomod)" ]
	[ -d "$ROOT/cache/gomod/go-build" ]
	printf 'package main\n\nconst answer = "second"\n' >"$WORK/gomod/answer.go"
	run push_version gomod 2
	[ "$status" -eq 0 ]
	[ "$(ask gomod '.version + " " + .answer')" = "2 second" ]
	[ "$(deps_of gomod | wc -l)" = 1 ]
	run slipway rollback gomod
	[ "$status" -eq 0 ]
	[ "$(ask gomod '.version + " " + .answer')" = "1 first" ]
}

@test "Go: old code without modules runs by go run, and godep is named when it is missing" {
	needs go
	go_create goold
	procfile goold 'web: go run .'
	run push goold
	[ "$status" -eq 0 ]
	[[ $output != *"go mod tidy"* ]]
	[ "$(ask goold .answer)" = first ]
	mkdir "$WORK/goold/Godeps"
	echo '{"ImportPath": "goold", "Deps": []}' >"$WORK/goold/Godeps/Godeps.json"
	commit goold
	run push goold
	[ "$status" -eq 1 ]
	[[ $output == *"godep is missing"* ]]
	tool_stub godep
	run push_version goold 2
	[ "$status" -eq 0 ]
	[[ $(cat "$ROOT/cache/goold/calls") == "godep update ... in $ROOT/releases/goold/v"*"/src GOPATH=$ROOT/envs/goold/deps/"* ]]
}
