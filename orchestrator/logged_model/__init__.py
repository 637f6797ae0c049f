"""A trained model in MLflow: logged to its run, loaded and served without pickles, registered on request."""
