#!/bin/sh
# need.sh PACKAGE [PATH]: check that a Debian package is installed. As root, install it; else print the command.
package=$1
path=${2:-}
if [ -n "$path" ] && [ -e "$path" ]; then exit 0; fi
if dpkg -s "$package" >/dev/null 2>&1; then exit 0; fi
case "$package" in
  npm) command -v npm >/dev/null 2>&1 && exit 0 ;;
  maven) command -v mvn >/dev/null 2>&1 && exit 0 ;;
  python3-venv) python3 -m venv --help >/dev/null 2>&1 && python3 -c 'import ensurepip' 2>/dev/null && exit 0 ;;
esac
if [ "$(id -u)" -ne 0 ]; then
  echo "This needs the system package $package. Install it with: sudo apt-get install $package" >&2
  exit 1
fi
echo "Installing the system package $package ..."
apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
