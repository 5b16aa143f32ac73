# Each language with its real tool chain, at every level of the sandbox that this machine has: it is built, starts and answers.
# How a runtime installs what: builds.bats and runtimes.bats.
load helpers

setup_file() {
	export WAIT_SECONDS=600 APPS=$BATS_FILE_TMPDIR/apps # compilers and JVMs on a busy machine
	: >"$APPS"
	refuse_build || return 0
	# shellcheck disable=SC2034 # scripts/server.bash reads it
	SERVER_CONFIG=$'[defaults]\nCHECK_TIMEOUT = "600"'
	server_start
	LEVEL=$(slipway status --json | jq -r .sandbox)
	export LEVEL
}
teardown_file() { server_stop; }

needs() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || skip "no $tool on this machine"
	done
}
file() { mkdir -p "$(dirname "$WORK/$1")" && cat >"$WORK/$1"; }
push() { timeout 900 git -C "$WORK/$1" push "$SSH_URL/$1" main 2>&1; }

# deploys APP LABEL: it is of that runtime, is built, and answers; the levels try it, too.
deploys() {
	commit "$1"
	run push "$1"
	[ "$status" -eq 0 ]
	[[ $output == *"$2 app detected."* ]]
	wait_until answers "$1" 1
	echo "$1" >>"$APPS"
}
# level_is APP LEVEL: of all that is not about to end.
level_is() { [ "$(instances "$1" 'map(.sandbox) | unique | join(" ")')" = "$2" ]; }
# all_work LEVEL VERSION [push]: what is there answers; or all is built and deployed again.
all_work() {
	local app
	[ -s "$APPS" ]
	[ "$(slipway status --json | jq -r .sandbox)" = "$1" ]
	while read -r app; do
		if [ "${3:-}" = push ]; then push_version "$app" "$2"; fi
		wait_until answers "$app" "$2"
		wait_until level_is "$app" "$1"
		if [ "$app" = php ]; then [ "$(ask php .opcache)" = true ]; fi
	done <"$APPS"
}

@test "languages: Python" {
	needs python3
	app_empty python
	cp "$FIXTURES/server.py" "$WORK/python/"
	echo '# nothing from elsewhere' | file python/requirements.txt
	echo 'web: python server.py' | file python/Procfile
	deploys python Python
	[[ $(ask python .env.VIRTUAL_ENV) == "$ROOT/envs/python/deps/"* ]]
}

@test "languages: Node" {
	needs node
	app_empty node
	echo '{"name": "x", "version": "1.0.0"}' | file node/package.json
	file node/server.js <<-'END'
	const version = require('fs').readFileSync('VERSION', 'utf8').trim();
	require('http').createServer((_, answer) => answer.end(JSON.stringify({ version })))
		.listen(process.env.PORT, process.env.BIND_ADDRESS);
	END
	echo 'web: node server.js' | file node/Procfile
	deploys node Node
}

@test "languages: Ruby" {
	needs ruby gem bundle
	app_empty ruby
	echo '# nothing from elsewhere' | file ruby/Gemfile
	file ruby/server.rb <<-'END'
	require 'json'
	require 'socket'
	server = TCPServer.new(ENV['BIND_ADDRESS'], ENV['PORT'])
	loop do
	  client = server.accept
	  nil until client.gets.to_s.strip.empty?
	  body = JSON.generate(version: File.read('VERSION').strip)
	  client.write("HTTP/1.1 200 OK\r\nContent-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n#{body}")
	  client.close
	end
	END
	echo 'web: bundle exec ruby server.rb' | file ruby/Procfile
	deploys ruby 'Ruby Application'
}

@test "languages: Go" {
	needs go
	app_empty go
	printf 'module app\n\ngo 1.19\n' | file go/go.mod
	file go/main.go <<-'END'
	package main

	import (
		"encoding/json"
		"net/http"
		"os"
		"strings"
	)

	func main() {
		text, _ := os.ReadFile("VERSION")
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			json.NewEncoder(w).Encode(map[string]string{"version": strings.TrimSpace(string(text))})
		})
		panic(http.ListenAndServe(os.Getenv("BIND_ADDRESS")+":"+os.Getenv("PORT"), nil))
	}
	END
	printf '%s\n' 'web: ./app' 'release: go build -o app .' | file go/Procfile
	deploys go Go
}

@test "languages: PHP" {
	needs php composer
	app_empty php
	echo '{"repositories": [{"packagist.org": false}]}' | file php/composer.json
	# opcache is there in Debian's PHP, and wants a lock in /tmp
	file php/index.php <<-'END'
	<?php
	echo json_encode(['version' => trim(file_get_contents('VERSION')),
		'opcache' => !extension_loaded('Zend OPcache') || opcache_get_status(false)['opcache_enabled']]);
	END
	# shellcheck disable=SC2016 # the app's shell
	echo 'web: php -S $BIND_ADDRESS:$PORT index.php' | file php/Procfile
	deploys php PHP
}

@test "languages: Java" {
	needs java javac mvn
	local plugin=/usr/share/maven-repo/org/apache/maven/plugins/maven-jar-plugin
	[ -d "$plugin" ] || skip "no maven-jar-plugin on this machine"
	app_empty java
	file java/pom.xml <<-END
	<project><modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>app</artifactId><version>1</version>
	<packaging>pom</packaging><build><plugins><plugin><artifactId>maven-jar-plugin</artifactId>
	<version>$(find "$plugin" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -n1)</version><executions><execution>
	<phase>package</phase><goals><goal>jar</goal></goals>
	<configuration><classesDirectory>res</classesDirectory></configuration></execution></executions></plugin></plugins></build>
	</project>
	END
	file java/settings.xml <<-'END'
	<settings><mirrors><mirror><id>debian</id><mirrorOf>*</mirrorOf><url>file:///usr/share/maven-repo</url></mirror></mirrors>
	</settings>
	END
	printf -- '-s\nsettings.xml\n' | file java/.mvn/maven.config
	echo jar | file java/res/answer.txt
	file java/Server.java <<-'END'
	import com.sun.net.httpserver.HttpServer;
	import java.net.InetSocketAddress;
	import java.nio.file.*;
	class Server {
		public static void main(String[] args) throws Exception {
			var jar = new String(ClassLoader.getSystemResourceAsStream("answer.txt").readAllBytes()).trim();
			var version = Files.readString(Path.of("VERSION")).trim();
			var body = ("{\"version\": \"" + version + "\", \"from\": \"" + jar + "\"}").getBytes();
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
	echo 'web: java -cp target/app-1.jar Server.java' | file java/Procfile
	deploys java 'Java Maven'
	[ "$(ask java .from)" = jar ]
}

@test "languages: with Landlock alone they start, and are built" {
	[[ $LEVEL == both || $LEVEL == landlock ]] || skip "this kernel has no Landlock"
	beneath namespaces
	all_work landlock 1
	all_work landlock 2 push
}

@test "languages: with bubblewrap alone" {
	[[ $LEVEL == both || $LEVEL == bwrap ]] || skip "bubblewrap does not work here"
	beneath landlock
	all_work bwrap "$(<"$WORK/$(head -n1 "$APPS")/VERSION")"
}

@test "languages: where all is refused" {
	beneath namespaces landlock
	all_work none "$(<"$WORK/$(head -n1 "$APPS")/VERSION")"
}

@test "languages: with SANDBOX=off they are built, and start" {
	local app
	beneath
	while read -r app; do
		slipway config:set "$app" SANDBOX=off </dev/null
		wait_until answers "$app" "$(<"$WORK/$app/VERSION")"
		wait_until level_is "$app" off
	done <"$APPS"
}
