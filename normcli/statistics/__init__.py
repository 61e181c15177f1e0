"""What can be known of columns: values that merge exactly."""
