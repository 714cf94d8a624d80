/** kubectl asks the executable kubectl_complete-sshaccess in PATH: one candidate a line, then a directive of cobra's. */
import { COMMANDS } from './command-line.ts';

/** Complete with names of files; with these candidates and nothing else. */
const [FILES, NO_FILES] = [':0', ':4'];

/** What it asks of the cluster is asked with the flags of the line that is being typed: docs name the namespace in most. */
export const COMPLETION_SCRIPT = `#!/bin/sh
# kubectl sshaccess completion > kubectl_complete-sshaccess; chmod +x it, in a folder of PATH.
# kubectl calls it with the words so far; the last is the one to complete.
ask() {
  kubectl get sshaccesses.sshaccess.dev \${kubeconfig:+"--kubeconfig=$kubeconfig"} \${context:+"--context=$context"} \\
    \${namespace:+"--namespace=$namespace"} "$@" 2>/dev/null
}

kubeconfig='' context='' namespace='' command='' access=''
while [ "$#" -gt 1 ]; do
  case $1:$# in
    -i:2 | --identity:2 | -f:2 | --file:2 | --kubeconfig:2)
      echo ${FILES}
      exit
      ;;
    -n:2 | --namespace:2 | --context:2 | --system:2) break ;;
  esac
  case $1 in
    -n | --namespace) namespace=$2 && shift ;;
    --context) context=$2 && shift ;;
    --kubeconfig) kubeconfig=$2 && shift ;;
    -i | --identity | -f | --file | --system) shift ;;
    --namespace=*) namespace=\${1#*=} ;;
    --context=*) context=\${1#*=} ;;
    --kubeconfig=*) kubeconfig=\${1#*=} ;;
    -*) ;;
    *) if [ -z "$command" ]; then command=$1; elif [ -z "$access" ]; then access=$1; fi ;;
  esac
  shift
done
# Of a flag's value that is being typed nothing is known here.
[ "$#" -gt 1 ] || case $command/$access in
  /) printf '%s\\n' ${Object.keys(COMMANDS).join(' ')} ;;
  keygen/* | why/* | completion/*) ;;
  */) ask --output=name | sed 's|.*/||' ;;
  # A shell types what is said here into a line: usernames, and nothing else that stands in a status.
  command/* | kick/*)
    ask "$access" --output='jsonpath={range .status.users[*]}{.username}{"\\n"}{end}' | LC_ALL=C grep -xE '[a-z0-9][a-z0-9.-]{0,190}'
    ;;
esac
echo ${NO_FILES}
`;
