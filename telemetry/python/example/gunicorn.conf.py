from mayfly_telemetry.gunicorn import hooks

wsgi_app = "app:app"
workers = 2
# The folder is the one that MAYFLY_TELEMETRY names.
post_fork, worker_exit, pre_request, post_request = hooks()
