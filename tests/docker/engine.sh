#!/bin/sh
# Proves the Docker sandbox on a private engine, with an image made of this machine's own Debian packages: no registry
# is asked for an image. For root on Debian or Ubuntu, with docker.io, iptables, file and a PostgreSQL of the distribution:
#
#     apt-get install docker.io iptables file postgresql
#     sh tests/docker/engine.sh [PYTHON] [MAJOR]
#
# PYTHON (default: python3) has pytest and the extras `docker` and `test`; MAJOR is the newest PostgreSQL installed
# unless named. The engine keeps everything, its socket too, in one temp folder, which is removed at the end; what
# it adds to the machine's packet filter is taken out again.
# ADVISOR_ENGINE_FLAGS are further flags of dockerd: `--storage-driver=vfs` where overlay does not work.
set -eu

python=${1:-python3}
major=${2:-$(ls /usr/lib/postgresql | sort -n | tail -1)}
here=$(dirname "$(realpath "$0")")
folder=$(mktemp -d /tmp/pg-query-advisor-engine-XXXXXX)
# An ordinary user may come as far as the socket, which is for root and the group docker.
chmod 711 "$folder"
DOCKER_HOST=unix://$folder/docker.sock
export DOCKER_HOST
dockerd=
docker=$(PATH=/usr/bin:$PATH command -v docker)

clean_up() {
    trap '' INT TERM
    if [ -n "$dockerd" ]; then
        "$docker" ps --all --quiet | xargs --no-run-if-empty "$docker" rm --force --volumes >/dev/null 2>&1 || true
        kill "$dockerd" 2>/dev/null || true
        wait "$dockerd" || true
        iptables-restore <"$folder/rules"
    fi
    grep -o " $folder/[^ ]*" /proc/mounts | sort -r | xargs --no-run-if-empty umount 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start_engine() {
    iptables-save >"$folder/rules"
    # The word splitting of the flags is wanted.
    # shellcheck disable=SC2086
    dockerd --host="$DOCKER_HOST" --data-root="$folder/data" --exec-root="$folder/exec" --pidfile="$folder/pid" \
        --bridge=none --ip-forward=false ${ADVISOR_ENGINE_FLAGS:-} >"$folder/log" 2>&1 &
    dockerd=$!
    for _ in $(seq 60); do
        if "$docker" version >/dev/null 2>&1; then return; fi
        kill -0 "$dockerd" 2>/dev/null || break
        sleep 1
    done
    echo "The engine does not start:" >&2
    tail -5 "$folder/log" >&2
    exit 2
}

# The files of the packages that PostgreSQL needs, and the libraries that those load; no documentation, no JIT.
copy_packages() {
    root=$1
    mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64" "$root/usr/sbin"
    for name in bin lib lib64 sbin; do ln -s "usr/$name" "$root/$name"; done
    dpkg -L "postgresql-$major" "postgresql-client-$major" libc-bin tzdata coreutils dash |
        grep -v -E '^/usr/share/(doc|man|info|locale|lintian|zoneinfo/(posix|right))/|llvmjit|/bitcode/' |
        while read -r path; do if [ -f "$path" ]; then echo "$path"; fi; done >"$folder/files"
    xargs file --separator ' ELF?' --dereference <"$folder/files" | sed -n 's/ ELF?.*ELF.*dynamically.*//p' |
        xargs ldd 2>/dev/null | grep -o '/[^ ]*[^ :]' | sort -u >>"$folder/files"
    tar --create --dereference --no-recursion --transform='s,^\(\./\)\?\(bin\|lib\|lib64\|sbin\)/,usr/\2/,' \
        --directory=/ --files-from="$folder/files" --absolute-names --transform='s,^/*,,' 2>/dev/null |
        tar --extract --directory="$root" --keep-directory-symlink
}

# What the advisor asks of an image is what the official one has: PG_MAJOR, the programs on the PATH, /bin/sh, a user
# postgres who owns /var/lib/postgresql. The entry point must never run.
make_image() {
    root=$folder/root
    copy_packages "$root"
    mkdir -p "$root/etc" "$root/proc" "$root/sys" "$root/dev" "$root/var/lib/postgresql/data"
    mkdir -m 1777 "$root/tmp"
    printf 'root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\npostgres:x:999:\n' >"$root/etc/group"
    chown -R 999:999 "$root/var/lib/postgresql"
    tar --create --directory="$root" . | "$docker" import --change "ENV PG_MAJOR=$major" \
        --change "ENV PATH=/usr/bin:/usr/lib/postgresql/$major/bin" --change 'ENTRYPOINT ["false"]' \
        --change 'VOLUME /var/lib/postgresql/data' --change 'EXPOSE 5432' - "advisor-postgres:$major" >/dev/null
    rm -rf "$root"
}

start_engine
make_image
"$docker" version --format 'Docker {{.Server.Version}} (API {{.Server.APIVersion}}), {{.Server.Os}}/{{.Server.Arch}}'
"$docker" info --format 'storage driver {{.Driver}}, cgroup v{{.CgroupVersion}}'
"$docker" images --format 'image {{.Repository}}:{{.Tag}}, {{.Size}}'
cd "$here/../.."
ADVISOR_DOCKER_IMAGE=advisor-postgres:$major "$python" -m pytest -m docker tests/docker "-rA" --no-header
