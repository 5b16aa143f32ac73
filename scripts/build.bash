# shellcheck shell=bash
# Build directories that outlive a clone (./check, ./demo, scripts/fuzz, scripts/coverage). Source it with $here set.

# build_setup DIR MESON-ARGUMENTS...: makes DIR a build directory of this clone with these arguments. One that is stays;
# one of another clone, or of one that has gone, is made anew.
build_setup() {
	local build=$1 made_of
	shift
	# shellcheck disable=SC2154 # $here is of who sources this
	made_of="$here $*"
	if [ -e "$build/build.ninja" ] && [ "$(cat "$build/.made-of" 2>/dev/null)" = "$made_of" ]; then
		return 0
	fi
	rm -rf "${build:?}"
	meson setup "$build" "$here" "$@" || return
	echo "$made_of" >"$build/.made-of"
}
