#!/bin/sh
# Unpacks Oracle's DTrace for Linux, as Debian packages it, into a folder of its
# own, and prints the command that starts it. Nothing is installed. It takes apt,
# dpkg and root, and debugfs, which it mounts if it is not there.
set -eu
folder=${XDG_CACHE_HOME:-$HOME/.cache}/netpolltrace/dtrace
if [ ! -x "$folder/dtrace" ]; then
	rm -rf "$folder"
	mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/root" "$folder/lib"
	mirror=$(sed -n 's/^URIs: *//p; s/^deb [^h]*\(http[^ ]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
	echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} sid main" >"$folder/sources.list"
	# Its packages are in Debian's unstable alone, which a mirror may have an old
	# list of; signatures are checked all the same.
	cat >"$folder/apt.conf" <<END
Dir::State "$folder/state";
Dir::State::status "/dev/null";
Dir::Cache "$folder/cache";
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
END
	export APT_CONFIG="$folder/apt.conf"
	apt-get -qq update >&2
	apt-get -qq -y --download-only install dtrace >&2
	for package in "$folder"/cache/archives/*.deb; do
		dpkg-deb -x "$package" "$folder/root"
	done
	# Its own library has io.d, which needs symbols that not all kernels give.
	lib=$folder/root/usr/lib/x86_64-linux-gnu
	cp "$lib"/dtrace/6.10/*.d "$lib/dtrace/bpf_dlib.o" "$folder/lib"
	rm "$folder/lib/io.d"
	cat >"$folder/dtrace" <<END
#!/bin/sh
exec $folder/root/usr/lib64/ld-linux-x86-64.so.2 --library-path $lib $folder/root/usr/sbin/dtrace -x syslibdir=$folder/lib "\$@"
END
	chmod +x "$folder/dtrace"
fi
grep -qs ' /sys/kernel/debug ' /proc/mounts || mount -t debugfs debugfs /sys/kernel/debug >&2
echo "$folder/dtrace"
