// The shipped alerts, recording rules and dashboards as a Prometheus mixin. See docs/integrations.md.
{
  _config+:: {
    // Where the links in an alert lead.
    grafanaUrl: 'http://localhost:3000',
    runbooksUrl: 'https://github.com/planetscale-exporter/planetscale-exporter/blob/main/docs/runbooks',
  },

  local config = self._config,
  local read(text) = std.parseYaml(
    std.strReplace(
      std.strReplace(
        text,
        'https://github.com/planetscale-exporter/planetscale-exporter/blob/main/docs/runbooks',
        config.runbooksUrl
      ),
      'http://localhost:3000',
      config.grafanaUrl
    )
  ),

  prometheusAlerts+:: { groups+: read(importstr '../deploy/prometheus/rules/planetscale-deploys.yml').groups },
  prometheusRules+:: { groups+: read(importstr '../deploy/prometheus/rules/planetscale-deploys-recording.yml').groups },
  grafanaDashboards+:: import 'dashboards.libsonnet',
}
