// Command kube is every daemon of a Kubernetes cluster in one executable.
//
// The daemon is chosen by the first argument: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, kubelet or kube-proxy. One
// executable shares its text pages between all daemons of a test bed.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// run starts one daemon with os.Args already shifted to it, and never
// returns an exit status before the daemon ends.
var daemons = map[string]func() int{
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          command(apiserver.NewAPIServerCommand),
	"kube-controller-manager": command(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          command(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-proxy":              command(proxy.NewProxyCommand),
	"kubelet":                 command(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
}

func command(build func() *cobra.Command) func() int {
	return func() int { return cli.Run(build()) }
}

func main() {
	if len(os.Args) < 2 || daemons[os.Args[1]] == nil {
		names := make([]string, 0, len(daemons))
		for name := range daemons {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: kube DAEMON [FLAGS], where DAEMON is one of: %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	start := daemons[os.Args[1]]
	os.Args = os.Args[1:]
	os.Exit(start())
}
