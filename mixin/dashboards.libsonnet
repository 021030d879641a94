// Written by `make chart`.
{
  'planetscale-deploy-request.json': import '../grafana/dashboards/planetscale-deploy-request.json',
  'planetscale-deploys.json': import '../grafana/dashboards/planetscale-deploys.json',
  'planetscale-exporter.json': import '../grafana/dashboards/planetscale-exporter.json',
  'planetscale-history.json': import '../grafana/dashboards/planetscale-history.json',
}
