"""What the exporter serves: `create_app` makes the application, `listen` serves it.

The room knows the snapshot and nothing of the loop, the client or the metrics: what it needs comes in as `Services`.
"""

from exporter.web.access import access
from exporter.web.app import create_app
from exporter.web.listener import Listener, listen
from exporter.web.security import WebSecurity
from exporter.web.services import Page, Services
from exporter.web.webhook import Webhooks

__all__ = ["Listener", "Page", "Services", "WebSecurity", "Webhooks", "access", "create_app", "listen"]
