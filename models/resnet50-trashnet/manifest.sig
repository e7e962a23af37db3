{
  "key": "dc5bf3243f7738ab",
  "signature": "D5YNodJJn3SPUZAITyo3BSA2Cc3VvlJNJdzZJ7cmRuq8hDlSGc61nCqJzSlsbb2oMKj7oV+9EYRfsHVEo5QNDA=="
}
