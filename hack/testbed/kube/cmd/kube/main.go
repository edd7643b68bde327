// Command kube is every daemon of a Kubernetes cluster in one executable.
//
// The daemon is chosen by the first argument: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, kubelet or kube-proxy. One
// executable shares its text pages between all daemons of a test bed.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	// Logs in JSON, and metrics of the client and the version, as the
	// released daemons have them.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// daemons runs each daemon until it ends, and gives its exit status. A daemon
// finds its own name and flags in os.Args.
var daemons = map[string]func() int{
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          running(apiserver.NewAPIServerCommand),
	"kube-controller-manager": running(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          running(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-proxy":              running(proxy.NewProxyCommand),
	"kubelet":                 running(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
}

// running builds a command only when it is chosen: building one registers
// flags and metrics that would collide with those of another.
func running(build func() *cobra.Command) func() int {
	return func() int { return cli.Run(build()) }
}

func main() {
	if len(os.Args) < 2 || daemons[os.Args[1]] == nil {
		names := slices.Sorted(maps.Keys(daemons))
		fmt.Fprintf(os.Stderr, "usage: kube DAEMON [FLAGS], where DAEMON is one of: %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	os.Args = os.Args[1:]
	os.Exit(daemons[os.Args[0]]())
}
