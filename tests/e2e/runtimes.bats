# Languages with their real tool chains: detection, what is installed, what the app finds. Group E of the Piku contract's
# acceptance cases; Python and Node are in builds.bats. What a tool would fetch from elsewhere comes from a server here.
load helpers

setup_file() {
	export TOOLS=$BATS_FILE_TMPDIR/tools MIRROR=$BATS_FILE_TMPDIR/mirror
	mkdir -p "$TOOLS" "$MIRROR"
	# shellcheck disable=SC2034 # scripts/server.bash reads it
	# compilers and JVMs on a busy machine: a test waits for a state, however long that takes
	SERVER_CONFIG=$'[defaults]\nCHECK_TIMEOUT = "600"\n[build]\npath = "'"$TOOLS:$SERVER_PATH"'"'
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
	WAIT_SECONDS=120 wait_until test -s "$BATS_FILE_TMPDIR/mirror.port"
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
# A stand-in for a tool that neither Debian nor this machine has: tool_stub NAME [SCRIPT [VERSION]]. It writes down how it is
# called, then does what the script says; --version prints VERSION.
tool_stub() {
	cat >"$TOOLS/$1" <<-END
	#!/bin/sh
	[ "\$1" != --version ] || { echo "${3:-1.0}"; exit; }
	echo "$1 \$* in \$PWD" >>"\$XDG_CACHE_HOME/calls"
	env >"\$XDG_CACHE_HOME/env"
	${2:-}
	END
	chmod +x "$TOOLS/$1"
}
calls_of() { cat "$ROOT/cache/$1/calls"; }
# A tool of this machine that lies where a server does not look.
tool_link() {
	local tool
	for tool in "$@"; do ln -sf "$(command -v "$tool")" "$TOOLS/$tool"; done
}
push() { timeout 900 git -C "$WORK/$1" push "$SSH_URL/$1" main 2>&1; }
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
	[[ $(calls_of goold) == "godep update ... in $ROOT/releases/goold/v"*"/src" ]]
	grep -q "^GOPATH=$ROOT/envs/goold/deps/" "$ROOT/cache/goold/env"
}

# --- Java -----------------------------------------------------------------------------------------------------

@test "piku-E01 Java Maven: the package is built for every release, what Maven fetches is kept" {
	needs java javac mvn
	local plugin=/usr/share/maven-repo/org/apache/maven/plugins/maven-jar-plugin
	[ -d "$plugin" ] || skip "no maven-jar-plugin on this machine"
	app_empty mvn
	file mvn/pom.xml <<-END
	<project><modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>app</artifactId><version>1</version>
	<packaging>pom</packaging><build><plugins><plugin><artifactId>maven-jar-plugin</artifactId>
	<version>$(find "$plugin" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -n1)</version><executions><execution>
	<phase>package</phase><goals><goal>jar</goal></goals>
	<configuration><classesDirectory>res</classesDirectory></configuration></execution></executions></plugin></plugins></build>
	</project>
	END
	file mvn/settings.xml <<-'END'
	<settings><mirrors><mirror><id>debian</id><mirrorOf>*</mirrorOf><url>file:///usr/share/maven-repo</url></mirror></mirrors>
	</settings>
	END
	printf -- '-s\nsettings.xml\n' | file mvn/.mvn/maven.config
	echo first | file mvn/res/answer.txt
	file mvn/Server.java <<-'END'
	import com.sun.net.httpserver.HttpServer;
	import java.net.InetSocketAddress;
	class Server {
		public static void main(String[] args) throws Exception {
			var in = ClassLoader.getSystemResourceAsStream("answer.txt");
			var body = ("{\"version\": \"" + new String(in.readAllBytes()).trim() + "\"}").getBytes();
			var port = Integer.parseInt(System.getenv("PORT"));
			var server = HttpServer.create(new InetSocketAddress(System.getenv("BIND_ADDRESS"), port), 0);
			server.createContext("/", x -> {
				x.sendResponseHeaders(200, body.length);
				x.getResponseBody().write(body);
				x.close();
			});
			server.start();
		}
	}
	END
	procfile mvn 'web: java -cp target/app-1.jar Server.java'
	run push mvn
	[ "$status" -eq 0 ]
	[[ $output == *"Java Maven app detected."* ]]
	[[ $output == *"mvn package"* ]]
	answers mvn first
	[ -d "$ROOT/cache/mvn/.m2/repository/org" ]
	[ ! -e "$ROOT/data/mvn/home/.m2" ]
	echo second | file mvn/res/answer.txt
	commit mvn
	run push mvn
	[ "$status" -eq 0 ]
	answers mvn second
}

@test "piku-E01 Java Gradle: gradle build, with clean when the repository has a build directory" {
	tool_stub java
	tool_stub gradle 'mkdir -p build && echo built >build/out'
	app_create gradle
	touch "$WORK/gradle/build.gradle"
	commit gradle
	run push gradle
	[ "$status" -eq 0 ]
	[[ $output == *"Java Gradle app detected."* ]]
	[ "$(calls_of gradle)" = "gradle build --no-daemon --console=plain in $ROOT/releases/gradle/v1/src" ]
	[ "$(cat "$ROOT/apps/gradle/build/out")" = built ]
	grep -qx "GRADLE_USER_HOME=$ROOT/cache/gradle/gradle" "$ROOT/cache/gradle/env"
	mkdir "$WORK/gradle/build"
	touch "$WORK/gradle/build/old"
	run push_version gradle 2
	[ "$status" -eq 0 ]
	[[ $(calls_of gradle | tail -n1) == "gradle clean build "* ]]
	tool_stub gradle 'exit 3'
	run push_version gradle 3
	[ "$status" -eq 1 ]
	[[ $output == *"gradle clean build: exited with status 3"* ]]
	answers gradle 2
}

# --- Clojure --------------------------------------------------------------------------------------------------

@test "piku-E01 piku-E08 Clojure CLI: its release is built every time, also when that made nothing" {
	tool_stub java
	tool_stub clojure '' 'Clojure CLI version 1.12.0'
	app_create clj
	echo '{}' >"$WORK/clj/deps.edn"
	commit clj
	run push clj
	[ "$status" -eq 0 ]
	[[ $output == *"Clojure CLI app detected."* ]]
	run push_version clj 2
	[ "$status" -eq 0 ]
	answers clj 2
	[ "$(calls_of clj | grep -c 'clojure -T:build release in')" = 2 ]
	grep -qx "CLJ_CONFIG=$ROOT/data/clj/home/.clojure" "$ROOT/cache/clj/env"
	tool_stub clojure '' 'Clojure 1.11.1'
	run push_version clj 3
	[ "$status" -eq 1 ]
	[[ $output == *"is not the Clojure CLI"* ]]
	answers clj 2
}

@test "piku-E01 Clojure Lein: lein clean, lein uberjar" {
	slow
	needs java lein
	[ -d /usr/share/maven-repo/org/clojure/clojure ] || skip "no clojure in Debian's Maven repository here"
	app_empty lein
	local version repository='^:replace [["debian" {:url "file:///usr/share/maven-repo" :checksum :ignore}]]'
	version=$(find /usr/share/maven-repo/org/clojure/clojure -mindepth 1 -maxdepth 1 -name '*.[0-9]' -printf '%f\n' | sort -V | tail -n1)
	file lein/project.clj <<-END
	(defproject app "1.0" :dependencies [[org.clojure/clojure "$version"]] :main app.core :aot :all
	  :repositories $repository :plugin-repositories $repository)
	END
	file lein/src/app/core.clj <<-'END'
	(ns app.core (:gen-class))
	(defn -main [& args] (spit (str (System/getenv "DATA_ROOT") "/seen.json") "{\"version\": \"first\"}") @(promise))
	END
	procfile lein 'worker: java -jar target/app-1.0-standalone.jar'
	run push lein
	[ "$status" -eq 0 ]
	[[ $output == *"Clojure Lein app detected."*"lein clean"*"lein uberjar"* ]]
	WAIT_SECONDS=120 wait_until seen_is lein seen .version first
	[ -d "$ROOT/cache/lein/.m2/repository/org/clojure" ]
}

# --- Rust -----------------------------------------------------------------------------------------------------

rust_create() {
	app_empty "$1"
	printf '[package]\nname = "app"\nversion = "1.0.0"\nedition = "2021"\n' >"$WORK/$1/Cargo.toml"
	printf '[toolchain]\nchannel = "%s"\n' "${2:-stable}" >"$WORK/$1/rust-toolchain.toml"
	file "$1/src/main.rs" <<-'END'
	use std::io::{Read, Write};
	fn main() {
	    let address = format!("{}:{}", std::env::var("BIND_ADDRESS").unwrap(), std::env::var("PORT").unwrap());
	    for stream in std::net::TcpListener::bind(address).unwrap().incoming() {
	        let mut stream = stream.unwrap();
	        let _ = stream.read(&mut [0; 4096]);
	        let body = format!("{{\"version\": \"{}\"}}", std::fs::read_to_string("VERSION").unwrap().trim());
	        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", body.len(), body);
	    }
	}
	END
}

@test "piku-E01 piku-E07 Rust: cargo build, and LIVE_ENV is there after the first deployment" {
	needs cargo rustc
	tool_link cargo rustc
	rust_create rust
	procfile rust 'web: ./target/debug/app'
	run push rust
	[ "$status" -eq 0 ]
	[[ $output == *"Rust app detected."*"cargo build"* ]]
	answers rust 1
	grep -qx "CARGO_HOME=$ROOT/cache/rust/cargo" "$ROOT/envs/rust/LIVE_ENV"
	procfile rust 'web: cargo run'
	tool_link cargo rustc
	set_version rust 2
	run push rust
	[ "$status" -eq 0 ]
	answers rust 2
}

@test "Rust: a tool chain that is not installed is named" {
	needs cargo rustc rustup
	tool_link cargo rustc
	rust_create rustold 1.2.3
	procfile rustold 'web: ./target/debug/app'
	run push rustold
	[ "$status" -eq 1 ]
	[[ $output == *"rust-toolchain.toml asks for 1.2.3"*"rustup toolchain install 1.2.3"* ]]
}

# --- PHP ------------------------------------------------------------------------------------------------------

@test "PHP: Composer installs packages and the autoloader of the app itself" {
	needs php composer
	app_empty php
	file php/composer.json <<-'END'
	{"autoload": {"psr-4": {"App\\": "src/"}}, "require": {"me/dep": "1.0.0"},
	 "repositories": [{"type": "path", "url": "lib/dep", "options": {"symlink": false}}, {"packagist.org": false}]}
	END
	echo '{"name": "me/dep", "version": "1.0.0", "autoload": {"classmap": ["Dep.php"]}}' | file php/lib/dep/composer.json
	echo '<?php class Dep { const VERSION = "dep 1.0.0"; }' | file php/lib/dep/Dep.php
	echo '<?php namespace App; class Answer { const TEXT = "first"; }' | file php/src/Answer.php
	file php/index.php <<-'END'
	<?php
	require 'vendor/autoload.php';
	echo json_encode(['version' => trim(file_get_contents('VERSION')), 'dep' => Dep::VERSION, 'answer' => App\Answer::TEXT]);
	END
	# shellcheck disable=SC2016 # the app's shell expands it
	procfile php 'web: php -S $BIND_ADDRESS:$PORT index.php'
	run push php
	[ "$status" -eq 0 ]
	[[ $output == *"PHP app detected."*"composer install"* ]]
	[ "$(ask php '.version + " " + .dep + " " + .answer')" = "1 dep 1.0.0 first" ]
	echo '<?php namespace App; class Answer { const TEXT = "second"; }' | file php/src/Answer.php
	run push_version php 2
	[ "$status" -eq 0 ]
	[ "$(ask php .answer)" = second ]
	[ -z "$(find "$ROOT/data/php/home" -mindepth 1)" ]
}

# --- Node -----------------------------------------------------------------------------------------------------

@test "NODE_VERSION: nodeenv fetches a version that is not installed, once, beside the running one" {
	needs node nodeenv
	[ "$(uname -m)" = x86_64 ] || skip "Debian's nodeenv knows no $(uname -m)"
	local version name
	for version in 99.1.0 99.2.0; do
		name=node-v$version-linux-x64
		mkdir -p "$BATS_TEST_TMPDIR/$name/bin" "$MIRROR/dist/v$version"
		printf '#!/bin/sh\nexport FAKE=%s\nexec /usr/bin/node "$@"\n' $version >"$BATS_TEST_TMPDIR/$name/bin/node"
		chmod +x "$BATS_TEST_TMPDIR/$name/bin/node"
		tar -C "$BATS_TEST_TMPDIR" -czf "$MIRROR/dist/v$version/$name.tar.gz" $name
	done
	app_empty nodeenv
	echo '{"name": "x", "version": "1.0.0"}' >"$WORK/nodeenv/package.json"
	file nodeenv/server.js <<-'END'
	const version = require('fs').readFileSync('VERSION', 'utf8').trim();
	require('http').createServer((q, s) => s.end(JSON.stringify({version, node: process.env.FAKE})))
		.listen(process.env.PORT, process.env.BIND_ADDRESS);
	END
	printf 'NODE_VERSION=99.1.0\nhttp_proxy=%s\n' "$MIRROR_URL" >"$WORK/nodeenv/ENV"
	procfile nodeenv 'web: node server.js'
	run push nodeenv
	[ "$status" -eq 0 ]
	[[ $output == *"nodeenv: fetching node v99.1.0"* ]]
	[ "$(ask nodeenv .node)" = 99.1.0 ]
	run push_version nodeenv 2
	[ "$status" -eq 0 ]
	[[ $output != *fetching* ]]
	[ "$(ask nodeenv '.version + " " + .node')" = "2 99.1.0" ]
	run slipway config:set nodeenv NODE_VERSION=99.2.0
	[ "$status" -eq 0 ]
	[ "$(ask nodeenv '.version + " " + .node')" = "2 99.2.0" ]
	[ "$(deps_of nodeenv | wc -l)" = 2 ]
	run slipway config:set nodeenv NODE_VERSION=98
	[ "$status" -ne 0 ]
	[[ $output == *"give the full version"* ]]
	[ "$(ask nodeenv .node)" = 99.2.0 ]
}
