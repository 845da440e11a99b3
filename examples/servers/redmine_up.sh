#!/usr/bin/env bash
# Bring up a real Redmine, the one of Debian's package, with a small data set and its REST interface switched on.
#
#   redmine_up.sh DATA_DIR [--port 3000] [--host 127.0.0.1] [--cache DIR] [--reset] [--build-only]
#
# When the server answers, one line of JSON goes to standard output; all else goes to standard error. Port 0 takes a
# free one. Running it again on the same directory serves what is there. SIGTERM or SIGINT stops it. Needs no root;
# install_redmine.sh installs the packages, and does. What is in the database stands in redmine_seed.rb.
#
# Redmine is GPL-2.0-or-later. It is run here as a program of its own, and no part of it is shipped with ours.
set -euo pipefail

PASSWORD=${REDMINE_UP_PASSWORD:-demo-Passw0rd}
SOURCE=${REDMINE_SOURCE:-/usr/share/redmine}
SEED=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/redmine_seed.rb

host=127.0.0.1 port=3000 cache= reset= build_only= data=
while [ $# -gt 0 ]; do
  case $1 in
    --port) port=$2; shift 2 ;;
    --host) host=$2; shift 2 ;;
    --cache) cache=$2; shift 2 ;;
    --reset) reset=1; shift ;;
    --build-only) build_only=1; shift ;;
    -*) echo "Unknown option $1; see the head of $0." >&2; exit 2 ;;
    *) data=$1; shift ;;
  esac
done
[ -n "$data" ] || { sed -n '2,10p' "$0" >&2; exit 2; }
[ -d "$SOURCE/app" ] || { echo "No Redmine under $SOURCE. Run install_redmine.sh as root." >&2; exit 2; }
started=$(date +%s%N)
say() { echo "$@" >&2; }

mkdir -p "$data"
data=$(cd "$data" && pwd)
[ -z "$cache" ] || { mkdir -p "$cache"; cache=$(cd "$cache" && pwd); }
exec 9>"$data/.lock"
if ! flock -n 9; then
  for _ in $(seq 300); do
    [ -s "$data/ready.json" ] && exec cat "$data/ready.json"
    sleep 0.2
  done
  say "Another process holds $data."
  exit 1
fi
rm -f "$data/ready.json"

# The bundler that comes with Ruby 3.1.7 does not see Debian's gems; the one of the package ruby-bundler does.
BUNDLER_VERSION=${BUNDLER_VERSION:-$(dpkg-query -W -f '${Version}' ruby-bundler | sed 's/-.*//')}
export BUNDLER_VERSION
export RAILS_ENV=production REDMINE_INSTANCE=default SCHEMA=/dev/null
export RUBYOPT=-W0 LANG=C.UTF-8 BUNDLE_SILENCE_ROOT_WARNING=1
app=$data/app
instance=$app/instances/default
export BUNDLE_GEMFILE=$app/Gemfile
version=$(dpkg-query -W -f '${Version}' redmine)

database_yml() { # for the database file $1
  printf 'production:\n  adapter: sqlite3\n  database: %s\n  timeout: 10000\n' "$1" > "$instance/config/database.yml"
}

copy_application() { # 15 MB: nothing outside the data directory is written to, and several can run side by side
  rm -rf "$app"
  mkdir -p "$app"
  (cd "$SOURCE" && tar cf - --exclude=./public/help --exclude=./instances \
    --exclude=./Gemfile.lock --exclude=./config/database.yml .) | tar xf - -C "$app"
  mkdir -p "$instance"/{config,log,tmp/cache,files,db} "$instance/public/plugin_assets" "$app"/{tmp,log,files}
  database_yml "$db"
  ln -s "$instance/config/database.yml" "$app/config/database.yml"
  ruby -rsecurerandom -e 'puts SecureRandom.hex(64)' > "$instance/config/secret_key.txt"
  # The packaged Gemfile looks for database drivers in the system's own instances; let it look here.
  sed -i "s|Dir\['/usr/share/redmine/|Dir['$app/|" "$app/Gemfile"
  echo "gem 'puma'" > "$app/Gemfile.local"
  # Mails are sent within the call: a thread that writes at the same time makes SQLite answer "database is locked".
  echo "config.active_job.queue_adapter = :inline" > "$app/config/additional_environment.rb"
  (cd "$app" && bundle install --local --quiet) >&2
  touch "$app/.complete"
}

build_database() { # beside its place, so that what is in its place is complete
  say "Creating Redmine's database ..."
  rm -f "$db.building"*
  database_yml "$db.building"
  local status=0
  { bundle exec rake -s db:migrate && SEED_PASSWORD=$PASSWORD bundle exec rails runner "$SEED"; } \
    > "$instance/log/build.log" 2>&1 || status=$?
  database_yml "$db"
  [ "$status" = 0 ] || { tail -20 "$instance/log/build.log" >&2; exit 1; }
  if [ -n "$template" ]; then
    cp "$db.building" "$template.$$" && mv "$template.$$" "$template"
  fi
  mv "$db.building" "$db"
}

db=$instance/db/redmine.sqlite3
[ -f "$app/.complete" ] || copy_application
cd "$app"
[ -z "$reset" ] || rm -f "$db"*
origin=existing
template=${cache:+$cache/redmine-${version//[^0-9A-Za-z.]/_}-$(sha256sum < "$SEED" | cut -c1-12).sqlite3}
if [ ! -f "$db" ] && [ -n "$template" ] && [ -f "$template" ]; then
  cp "$template" "$db.part" && mv "$db.part" "$db"
  origin=template
elif [ ! -f "$db" ]; then
  build_database
  origin=built
fi
[ -z "$build_only" ] || exit 0

if [ "$port" = 0 ]; then
  port=$(ruby -rsocket -e 's = TCPServer.new(ARGV[0], 0); puts s.addr[1]' "$host")
fi
rm -rf "$instance/tmp/cache/"* "$instance/tmp/pids"
# One thread: with several, writers on SQLite now and then get "database is locked" and answer 500.
bundle exec puma -q -e production -t 1:1 -b "tcp://$host:$port" config.ru > "$instance/log/puma.log" 2>&1 9>&- &
server=$!
stop() { kill -TERM "$server" 2>/dev/null || true; }
trap stop TERM INT
for _ in $(seq 600); do
  kill -0 "$server" 2>/dev/null || { tail -20 "$instance/log/puma.log" >&2; exit 1; }
  if curl -s -o /dev/null "http://$host:$port/users/current.json?key=none"; then break; fi
  sleep 0.1
done
elapsed=$(( ($(date +%s%N) - started) / 10000000 ))
key() {
  ruby -rsqlite3 -e '
    puts SQLite3::Database.new(ARGV[0]).get_first_value(
      "select t.value from tokens t join users u on u.id = t.user_id
       where t.action = ? and u.login = ?", ["api", ARGV[1]])' "$db" "$1"
}
{
  printf '{"base_url": "http://%s:%s", "user": "gateway", "password": "%s", "api_key": "%s", ' \
    "$host" "$port" "$PASSWORD" "$(key gateway)"
  printf '"user_api_keys": {"admin": "%s", "ana.ruiz": "%s", "ben.okafor": "%s"}, "database": "%s", ' \
    "$(key admin)" "$(key ana.ruiz)" "$(key ben.okafor)" "$db"
  printf '"origin": "%s", "version": "%s", "pid": %s, "ready_in_s": %s.%02d}\n' \
    "$origin" "$version" "$$" $((elapsed / 100)) $((elapsed % 100))
} > "$data/ready.json.part"
mv "$data/ready.json.part" "$data/ready.json"
cat "$data/ready.json"
wait "$server" || true
wait "$server" 2>/dev/null || true # A signal ends the first one; the server then finishes what it is at.
rm -f "$data/ready.json"
