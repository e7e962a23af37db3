#!/usr/bin/env bash
# Install the bin as two systemd services, on Raspberry Pi OS, Ubuntu (Jetson) and Debian. May be run again: it updates.
#
#   sudo systemd/install.sh [--config FILE] [--dry-run] [--root DIR]
#
#   --config FILE  the bin's config, for a first install (default: configs/edge/sim.yaml); one that is there is kept
#   --dry-run      say what would be done, and do nothing
#   --root DIR     install into the folder DIR, as for an image; starts nothing and makes no environment
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
config=$here/configs/edge/sim.yaml root='' dry=''
while [ $# -gt 0 ]; do
  case $1 in
    --config) config=${2:?--config needs a file}; shift 2 ;;
    --root) root=${2:?--root needs a folder}; shift 2 ;;
    --dry-run) dry=yes; shift ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "error: unknown option $1; see $0 --help" >&2; exit 2 ;;
  esac
done
root=${root%/}

do_() { # say it, and do it
  printf '+ %s\n' "$*"
  [ -n "$dry" ] || "$@"
}
put() { do_ install -D -m "$1" "$2" "$root$3"; }

[ -r "$config" ] || { echo "error: --config $config: no such file; configs/edge/sim.yaml is one to start from" >&2; exit 1; }
if [ -z "$root$dry" ]; then
  [ "$(id -u)" -eq 0 ] || { echo "error: run it with sudo, or with --dry-run to see what it would do" >&2; exit 1; }
  like=$(. /etc/os-release && echo "$ID ${ID_LIKE:-}")
  case " $like " in
    *' debian '* | *' ubuntu '* | *' raspbian '*) ;;
    *) echo "error: this is ${like}; expected Raspberry Pi OS, Ubuntu or Debian" >&2; exit 1 ;;
  esac
  python3 -c 'import ensurepip, venv' || { echo "error: apt install python3-venv first" >&2; exit 1; }
fi

echo "the program: /opt/smartbin"
for part in edge models configs docs systemd README.md LICENSE requirements-edge.txt; do
  do_ rm -rf "$root/opt/smartbin/$part.new"
  do_ mkdir -p "$root/opt/smartbin"
  do_ cp -R "$here/$part" "$root/opt/smartbin/$part.new"
  do_ rm -rf "$root/opt/smartbin/$part"
  do_ mv "$root/opt/smartbin/$part.new" "$root/opt/smartbin/$part"
done
if [ -z "$root" ]; then
  # The machine's own packages are seen: libcamera of a Raspberry Pi, TensorRT of a Jetson.
  do_ python3 -m venv --system-site-packages /opt/smartbin/.venv
  do_ /opt/smartbin/.venv/bin/pip install --disable-pip-version-check --quiet -r /opt/smartbin/requirements-edge.txt
fi

echo "users, folders, devices, log"
put 0644 "$here/systemd/smartbin.sysusers.conf" /usr/lib/sysusers.d/smartbin.conf
put 0644 "$here/systemd/smartbin.tmpfiles.conf" /usr/lib/tmpfiles.d/smartbin.conf
put 0644 "$here/systemd/60-smartbin.rules" /etc/udev/rules.d/60-smartbin.rules
put 0644 "$here/systemd/journald-smartbin.conf" /etc/systemd/journald.conf.d/smartbin.conf
if [ -z "$root" ]; then
  do_ systemd-sysusers smartbin.conf
  do_ systemd-tmpfiles --create smartbin.conf
fi

if [ -e "$root/etc/smartbin/bin.yaml" ]; then
  echo "the config: /etc/smartbin/bin.yaml is kept"
else
  echo "the config: /etc/smartbin/bin.yaml, from $config"
  put 0644 "$config" /etc/smartbin/bin.yaml
  do_ sed -i -e 's|^state_dir:.*|state_dir: /var/lib/smartbin|' "$root/etc/smartbin/bin.yaml"
  if ! grep -q '^control:' "$config"; then
    do_ sed -i -e '$a\
\
control:\
  socket: /run/smartbin/control.sock\
  group: smartbin-control' "$root/etc/smartbin/bin.yaml"
  fi
fi

echo "the services"
put 0644 "$here/systemd/smartbin.service" /etc/systemd/system/smartbin.service
put 0644 "$here/systemd/smartbin-console.service" /etc/systemd/system/smartbin-console.service
if [ -z "$root" ]; then
  do_ udevadm control --reload
  do_ udevadm trigger --subsystem-match=gpio --subsystem-match=i2c-dev
  do_ systemctl restart systemd-journald
  do_ systemctl daemon-reload
  do_ systemctl enable smartbin.service smartbin-console.service
  do_ systemctl restart smartbin.service smartbin-console.service
fi
echo "done; how it is: systemctl status smartbin, journalctl -u smartbin"
