#!/usr/bin/env bash
# Remove the bin's services and program. Config, journal and captures stay, unless --purge is given.
#
#   sudo systemd/uninstall.sh [--purge] [--dry-run] [--root DIR]
set -euo pipefail

root='' dry='' purge=''
while [ $# -gt 0 ]; do
  case $1 in
    --purge) purge=yes; shift ;;
    --root) root=${2:?--root needs a folder}; shift 2 ;;
    --dry-run) dry=yes; shift ;;
    -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "error: unknown option $1; see $0 --help" >&2; exit 2 ;;
  esac
done
root=${root%/}

do_() { # say it, and do it
  printf '+ %s\n' "$*"
  [ -n "$dry" ] || "$@"
}

if [ -z "$root$dry" ] && [ "$(id -u)" -ne 0 ]; then
  echo "error: run it with sudo, or with --dry-run to see what it would do" >&2
  exit 1
fi
if [ -z "$root" ]; then
  for unit in smartbin-console.service smartbin.service; do # stopping puts the mechanism neutral
    if [ -e "/etc/systemd/system/$unit" ]; then do_ systemctl disable --now "$unit"; fi
  done
fi
for file in \
  /etc/systemd/system/smartbin.service /etc/systemd/system/smartbin-console.service \
  /usr/lib/sysusers.d/smartbin.conf /usr/lib/tmpfiles.d/smartbin.conf \
  /etc/udev/rules.d/60-smartbin.rules /etc/systemd/journald.conf.d/smartbin.conf; do
  do_ rm -f "$root$file"
done
do_ rm -rf "$root/opt/smartbin"
if [ -n "$purge" ]; then
  do_ rm -rf "$root/etc/smartbin" "$root/var/lib/smartbin"
fi
if [ -z "$root" ]; then
  do_ systemctl daemon-reload
  if [ -n "$purge" ] && id smartbin >/dev/null 2>&1; then do_ userdel smartbin; fi
fi
if [ -z "$purge" ]; then echo "kept: /etc/smartbin, /var/lib/smartbin (--purge removes them)"; fi
