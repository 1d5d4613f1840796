def d_loss_logistic(real, fake):
    """Loss of the discriminator as a classifier of real against generated samples.

    real      logits [B_r,1] of real samples
    fake      logits [B_f,1] of generated samples
    returns   a scalar tensor: the mean over real plus the mean over fake
    """
    # >>> your code starts here
    return F.softplus(-real).sum() + F.softplus(fake).sum()
    # <<< your code ends here


def g_loss_nonsat(fake):
    """Non-saturating loss of the generator.

    fake      logits [B_f,1] of generated samples
    returns   a scalar tensor
    """
    # >>> your code starts here
    return F.softplus(-fake).mean()
    # <<< your code ends here


def d_loss_hinge(real, fake):
    """Hinge loss of the discriminator with margin 1; real and fake as in d_loss_logistic."""
    # >>> your code starts here
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    # <<< your code ends here


def wgan_losses(real, fake):
    """Wasserstein losses, to be minimised.

    real, fake   scores [B_r,1] and [B_f,1] of real and of generated samples
    returns      the pair (loss of the critic, loss of the generator), two scalar tensors
    """
    # >>> your code starts here
    return fake.mean() - real.mean(), -fake.mean()
    # <<< your code ends here
