
# Called by bash: completes the word under the cursor into COMPREPLY.
_heddle() {
  local program=${COMP_WORDS[0]} name=${COMP_WORDS[0]##*/} word=${COMP_WORDS[COMP_CWORD]} previous=
  local command= position=0 at
  local -a given=() called=()
  COMPREPLY=()
  # bash splits words at = and :, which belong to ours.
  local line=${COMP_LINE:0:COMP_POINT}
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  word=${words[-1]}
  called=("$program")
  for ((at = 1; at < ${#words[@]} - 1; at++)); do
    previous=${words[at]}
    if [[ $previous == -- ]]; then
      command= position=0 given=()
    elif [[ -z $command && $previous == -* ]]; then
      [[ $previous == --db=* || $previous == --target=* ]] && called+=("$previous")
      if _heddle_takes_value "$name" "$previous" && ((at + 1 < ${#words[@]} - 1)); then
        case $previous in -t | --target | --db) called+=("$previous" "${words[at + 1]}") ;; esac
        ((at++))
      fi
    elif [[ -z $command ]]; then
      command=$previous
    else
      ((position++))
      given+=("$previous")
    fi
  done
  if [[ $word == -* ]]; then
    _heddle_reply "${_heddle_options[$name]} $(_heddle_command_options "$name" "$command")" "$word"
  elif [[ -n $previous && -z $command ]] && _heddle_takes_value "$name" "$previous"; then
    _heddle_value "$previous" "$word"
  elif [[ -z $command ]]; then
    _heddle_reply "$(_heddle_commands "$name" "${called[@]}")" "$word"
  else
    _heddle_argument "$name" "$command" "$position" "$word"
  fi
  _heddle_cut "$word"
}

_heddle_commands() {
  local name=$1
  shift
  case $name in
  ovs-appctl) "$@" --timeout=1 list-commands 2>/dev/null | sed -n 's/^  *\([^ ]*\).*/\1/p' ;;
  *) echo "${_heddle_subcommands[$name]}" ;;
  esac
}

# The options of one command; of all where none is given yet.
_heddle_command_options() {
  local key
  if [[ -n $2 ]]; then
    echo "${_heddle_options[$1 $2]}"
    return
  fi
  for key in "${!_heddle_options[@]}"; do [[ $key == "$1 "* ]] && echo "${_heddle_options[$key]}"; done
}

# Whether the value of an option is a word of its own.
_heddle_takes_value() {
  local option
  [[ $2 == *=* || $2 == -- ]] && return 1
  for option in ${_heddle_options[$1]}; do [[ $option == "$2=" ]] && return 0; done
  return 1
}

_heddle_value() {
  case $1 in
  -f | --format) _heddle_reply 'table list html csv json' "$2" ;;
  -d | --data) _heddle_reply 'string bare json' "$2" ;;
  --target) _heddle_reply "$(_heddle_daemons)" "$2" ;;
  --db | --timeout | -T) ;;
  *) _heddle_files "$2" ;;
  esac
}

_heddle_daemons() {
  local file
  for file in "${OVS_RUNDIR:-/var/run/openvswitch}"/*.pid; do
    file=${file##*/}
    [[ $file == '*.pid' ]] || echo "${file%.pid}"
  done
}

# `position` counts from 0; words of a specification: !ONE ?OPTIONAL +MANY *ANY.
_heddle_argument() {
  local name=$1 command=$2 position=$3 word=$4 kind= at=0 one
  for one in ${_heddle_arguments[$name $command]}; do
    kind=${one:1}
    ((at++ == position)) && break
    [[ $one == [+*]* ]] || kind=
  done
  case $kind in
  *BRIDGE | PARENT) _heddle_reply "$(_heddle_bridges "$name")" "$word" ;;
  PACKET*) _heddle_files "$word" ;;
  PORT* | *BOND) _heddle_reply "$(_heddle_names Port)" "$word" ;;
  IFACE) _heddle_reply "$(_heddle_names Interface)" "$word" ;;
  TABLE) _heddle_reply "${!_heddle_columns[*]}" "$word" ;;
  RECORD) _heddle_reply "$(_heddle_names "${given[0]}") ." "$word" ;;
  COLUMN* | *KEY*) _heddle_reply "${_heddle_columns[$(_heddle_table "$command")]}" "$word" ;;
  MODE) _heddle_reply 'secure standalone' "$word" ;;
  TARGET) _heddle_reply 'tcp: ssl: unix: ptcp: pssl: punix:' "$word" ;;
  DATABASE) _heddle_reply "$("$program" list-dbs 2>/dev/null)" "$word" ;;
  FILE) _heddle_files "$word" ;;
  esac
}

_heddle_bridges() {
  [[ $1 == ovs-vsctl ]] || local called=(ovs-vsctl)
  "${called[@]}" --timeout=1 list-br 2>/dev/null
}

_heddle_names() {
  "${called[@]}" --timeout=1 --bare -- --columns=name list "$1" 2>/dev/null
}

_heddle_table() {
  case $1 in add-port | add-bond) echo Port ;; *) echo "${given[0]}" ;; esac
}

_heddle_reply() {
  local IFS=$' \t\n'
  COMPREPLY=($(compgen -W "$1" -- "$2" | sort -u))
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace 2>/dev/null
  return 0
}

_heddle_files() {
  COMPREPLY=($(compgen -f -- "$1"))
  compopt -o filenames 2>/dev/null
  return 0
}

# bash replaces only what follows the last = or : of the word.
_heddle_cut() {
  local before=${1%"${1##*[=:]}"} i
  for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$before"}; done
}

complete -F _heddle "${!_heddle_subcommands[@]}"
