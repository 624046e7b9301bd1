# Functions of the start scripts, which set `folder` to their own folder.

# Ends the script because something is not installed. The argument says how to install it.
missing() {
  echo "$1" >&2
  exit 69
}

# Ends the script unless a program is in PATH: its name, and how to install it.
need() {
  command -v "$1" >/dev/null || missing "there is no $1 in PATH: $2"
}

# Makes node and bun find packages in NODE_PATH, and otherwise in benches/peers/node_modules.
node_packages() {
  export NODE_PATH=${NODE_PATH:+$NODE_PATH:}$folder/../node_modules NODE_ENV=production
}

# Prints the version of a node package, or ends the script if it is not installed.
package_version() {
  node -p "require('$1/package.json').version" 2>/dev/null ||
    missing "there is no package $1 for node: run \`npm install\` in benches/peers, or name its directory in NODE_PATH"
}

# Builds and starts the Go program of the folder: the library, Debian's package of it, and the arguments of the script,
# which the program gets.
go_server() {
  need go "get it from https://go.dev, or on Debian and Ubuntu with \`apt-get install golang-go\`"
  [ -d "/usr/share/gocode/src/github.com/$1" ] || missing "there is no $1: install it with \`apt-get install $2\`"
  go_program
  if [ "$3" = --version ]; then
    echo "${1#centrifugal/} $(debian_version "$2") on $(go version | cut -d ' ' -f 3)"
    exit
  fi
  GOMAXPROCS=1 exec "$program" "${@:3}" >&2
}

# Builds the Go program of the folder into benches/peers/target, with the libraries that Debian packages as
# /usr/share/gocode, and sets `program`.
go_program() {
  program=$folder/../target/${folder##*/}
  GO111MODULE=off GOPATH=/usr/share/gocode CGO_ENABLED=0 go build -o "$program" "$folder/main.go" >&2 || exit 1
}

# Prints the version of a Debian package, up to its revision.
debian_version() {
  dpkg-query --show --showformat='${Version}' "$1" 2>/dev/null | sed 's/^[0-9]*://; s/[-+].*//'
}

# Sets `program` to a Rust program that was built by `cargo build --release` in benches/peers/rust.
rust_program() {
  program=$folder/../target/rust/release/$1
  [ -x "$program" ] ||
    missing "$1 is not built: run \`cargo build --release --manifest-path benches/peers/rust/Cargo.toml --target-dir benches/peers/target/rust\`"
}

# Prints the version of a crate in benches/peers/rust/Cargo.lock.
crate_version() {
  grep -A1 "^name = \"$1\"$" "$folder/../rust/Cargo.lock" | sed -n 's/^version = "\(.*\)"$/\1/p' | head -n 1
}

# Prints the version of a program that `cargo install` has installed: the crate and the program.
installed_version() {
  local path
  path=$(command -v "$2")
  grep -o "^\"$1 [^ ]*" "${path%/*}/../.crates.toml" 2>/dev/null | sed 's/.* //' | grep . || echo unknown
}

# Starts nginx with nginx.conf of the folder, as a proxy: PORT on|off UPSTREAM, or --version.
nginx_proxy() {
  PATH=$PATH:/usr/sbin
  need nginx "get it from https://nginx.org, or on Debian and Ubuntu with \`apt-get install nginx\`"
  if [ "$1" = --version ]; then
    nginx -v 2>&1 | sed 's/.*nginx\//nginx /'
    exit
  fi
  configuration nginx.conf "$@"
  exec nginx -e stderr -p "$data" -c "$data/nginx.conf" >&2
}

# Starts HAProxy with haproxy.cfg of the folder, as a proxy: PORT on|off UPSTREAM, or --version.
haproxy_proxy() {
  PATH=$PATH:/usr/sbin
  need haproxy "get it from https://www.haproxy.org, or on Debian and Ubuntu with \`apt-get install haproxy\`"
  if [ "$1" = --version ]; then
    haproxy -v | sed -n 's/^HAProxy version \([^ ]*\).*/haproxy \1/p'
    exit
  fi
  configuration haproxy.cfg "$@"
  exec haproxy -db -f "$data/haproxy.cfg" >&2
}

# Writes a configuration of the folder to a new folder `data`, with PORT, COMPRESSION and UPSTREAM.
configuration() {
  data=$(mktemp --directory)
  sed "s#DIRECTORY#$data#g; s#PORT#$2#g; s#COMPRESSION#$3#g; s#UPSTREAM#$4#g" "$folder/$1" > "$data/$1"
}
