"""One comment on a pull request, made or updated: GitHub and GitLab."""
