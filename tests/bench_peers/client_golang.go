// What the Go client library makes of the same series: gauges in a registry, behind its own handler.
//
// Usage: client_golang PAGE, a page in the text format; prints the port that it listens on.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func gauges(family *dto.MetricFamily) *prometheus.GaugeVec {
	var names []string
	for _, label := range family.GetMetric()[0].GetLabel() {
		names = append(names, label.GetName())
	}
	vector := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: family.GetName(), Help: family.GetHelp()}, names)
	for _, metric := range family.GetMetric() {
		labels := prometheus.Labels{}
		for _, label := range metric.GetLabel() {
			labels[label.GetName()] = label.GetValue()
		}
		vector.With(labels).Set(metric.GetGauge().GetValue())
	}
	return vector
}

func main() {
	page, err := os.Open(os.Args[1])
	check(err)
	parser := expfmt.TextParser{}
	families, err := parser.TextToMetricFamilies(page)
	check(err)
	registry := prometheus.NewRegistry()
	for _, family := range families {
		if family.GetType() == dto.MetricType_GAUGE {
			check(registry.Register(gauges(family)))
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Printf("port=%d\n", listener.Addr().(*net.TCPAddr).Port)
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	check(http.Serve(listener, handler))
}
