#!/usr/bin/env bash
# fetch.sh DIRECTORY KERNEL-ARCH...: puts Debian's kernels (5.10-amd64, ...,
# sid-arm64) into the directory as vmlinuz-KERNEL-ARCH, and installs what it
# takes to boot them, if that is not there. It needs a Debian system, and root
# to install.
set -euo pipefail
directory=$1
shift

suite_of() {
	case $1 in
	5.10) echo bullseye ;;
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	sid) echo sid ;;
	esac
}

install_tools() {
	local missing=()
	command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
	command -v qemu-system-aarch64 >/dev/null || missing+=(qemu-system-arm)
	command -v cpio >/dev/null || missing+=(cpio)
	command -v xz >/dev/null || missing+=(xz-utils)
	[ -d /usr/share/keyrings ] && ls /usr/share/keyrings/debian-archive-keyring.* >/dev/null 2>&1 || missing+=(debian-archive-keyring)
	if [ ${#missing[@]} -gt 0 ]; then
		apt-get -qq update
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
	fi
}

# The mirror of the system's own sources, in an apt configuration of its own:
# which packages the system takes from where stays as it is.
configure_apt() {
	local mirror key machine
	mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
		grep -oE '(https?|file|mirror)[^ ]*/debian/?( |$)' | head -1 | tr -d ' ') || true
	if [ -z "$mirror" ]; then
		echo "apt's sources name no Debian mirror: add one, or put the kernels into $directory" >&2
		exit 1
	fi
	key=$(ls /usr/share/keyrings/debian-archive-keyring.* | head -1)
	mkdir -p "$work"/{state/lists/partial,cache/archives/partial}
	for machine in "$@"; do
		echo "deb [arch=${machine##*-} signed-by=$key] $mirror $(suite_of "${machine%-*}") main"
	done | sort -u >"$work/sources.list"
	cat >"$work/apt.conf" <<-END
		Dir::State "$work/state";
		Dir::State::status "/dev/null";
		Dir::Cache "$work/cache";
		Dir::Etc::sourcelist "$work/sources.list";
		Dir::Etc::sourceparts "-";
		APT::Architectures { "amd64"; "arm64"; };
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
	END
	export APT_CONFIG=$work/apt.conf
	apt-get -qq update
}

# The newest package of a kernel's series. From 7.x on the image is in
# linux-binary-*, and linux-image-* is empty.
package_of() {
	local kernel=${1%-*} arch=${1##*-} expression
	case $kernel in
	sid) expression="^linux-binary-[0-9].*-cloud-$arch\$" ;;
	*) expression="^linux-image-${kernel//./\\.}\\.[0-9].*-cloud-$arch\$" ;;
	esac
	grep -E "$expression" <<<"$packages" | tail -1
}

# The kernel comes first in a package; the modules behind it are not unpacked,
# so dpkg-deb dies of a closed pipe.
unpack() {
	local machine=$1 package=$2 version file
	version=${package#linux-image-}
	version=${version#linux-binary-}
	case $package in
	linux-binary-*) file=./usr/lib/modules/$version/vmlinuz ;;
	*) file=./boot/vmlinuz-$version ;;
	esac
	{ dpkg-deb --fsys-tarfile "${package}"_*.deb 2>/dev/null || true; } |
		tar -x -O --occurrence=1 "$file" >vmlinuz
	[ -s vmlinuz ]
	mv vmlinuz "$directory/vmlinuz-$machine"
}

install_tools
if [ $# -eq 0 ]; then
	exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
configure_apt "$@"
packages=$(apt-cache search --names-only '^linux-(image|binary)-[0-9].*-cloud-(amd64|arm64)$' |
	awk '{print $1}' | grep -v '\.deb1[0-9]\.' | sort -V)
wanted=()
for machine in "$@"; do
	package=$(package_of "$machine")
	wanted+=("$package:${machine##*-}")
done
cd "$work"
# All at a time: each call of apt-get reads the lists of packages anew.
apt-get -qq download "${wanted[@]}"
mkdir -p "$directory"
for machine in "$@"; do
	unpack "$machine" "$(package_of "$machine")"
done
