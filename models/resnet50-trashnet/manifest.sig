{
  "key": "dc5bf3243f7738ab",
  "signature": "F8ymdOI0CQVGwOn85y4jtid2qTaJm+0Fans8y0UwtegdPSEJUVJHjVP6RCIrh5KjRRw7X65zqb19fNNeXVbVDg=="
}
