#!/bin/sh
# Stands in for the workerd binary when the launcher starts it. Three things that workerd does not do itself:
# it notes its process id, so that the next start can end a leftover; it leaves Ctrl-C and a closed terminal to the
# launcher, which drains it (at a SIGTERM it drains itself, as the launcher would ask);
# and it dies with the launcher, whatever killed that: the control channel (descriptor 3) ends when the launcher does.
trap '' INT HUP
if [ -e "$WAYPOST_RUN_DIR/stopping" ]; then exit 0; fi
pid=$$
echo "$pid" >"$WAYPOST_RUN_DIR/workerd.pid"
(
  trap '' TERM
  read -r _ <&3
  [ "$(cat "$WAYPOST_RUN_DIR/workerd.pid" 2>/dev/null)" = "$pid" ] && kill -9 "$pid"
) </dev/null >/dev/null 2>&1 &
exec "$WAYPOST_WORKERD" "$@"
