"""The application: settings, steps, command line, batch jobs, evaluation."""
