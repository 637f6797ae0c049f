"""The file that MLflow keeps in every logged model and runs to load it; it needs Equipose installed."""

from mlflow.models import set_model

from equipose.orchestrator.logged_model.service import PoseService

set_model(PoseService())
