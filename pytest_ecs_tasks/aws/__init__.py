"""AWS, played by moto: boto3 and moto are used here and nowhere else."""
