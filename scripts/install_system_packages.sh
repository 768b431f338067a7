#!/usr/bin/env bash
# Installs the Debian packages that the tests need and that are missing: chromium (browser tests) and
# postgresql (records tests); the fonts come with chromium so that its screenshots show text.
# Does nothing when they are there. Needs root or sudo.
set -euo pipefail

is_there() {
    case "$1" in
        chromium | fonts-liberation) command -v chromium >/dev/null ;;
        postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
    esac
}

missing=()
for package in chromium fonts-liberation postgresql; do
    is_there "$package" || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi

if [ "$(id -u)" -eq 0 ]; then
    as_root=(env)
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=(sudo)
else
    echo "Tests need the Debian packages: ${missing[*]}. Run as root: apt-get install ${missing[*]}" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "Tests need: ${missing[*]}. This system has no apt-get; install them with its own package manager." >&2
    exit 1
fi

echo "Installing ${missing[*]} …"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
