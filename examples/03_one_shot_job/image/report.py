"""The job: an ordinary boto3 program. Nothing in it knows that it is tested."""

import os

import boto3

day, bucket = os.environ["DAY"], os.environ["BUCKET"]
secret = os.environ["DATABASE_PASSWORD"]
text = f"{os.environ['TITLE']} of {day}: 42 (password of {len(secret)} characters)\n"
boto3.client("s3").put_object(Bucket=bucket, Key=f"{day}.txt", Body=text.encode())
print(f"wrote s3://{bucket}/{day}.txt", flush=True)
