"""What the notebooks draw and look up, so that cells stay short. Only walks on toy surfaces train."""
